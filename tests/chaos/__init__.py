"""Durability under fire: real processes are killed while people chat; `make chaos`."""
