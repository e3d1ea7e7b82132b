"""Tools of the house: what `make` runs. Never imported by the product."""
