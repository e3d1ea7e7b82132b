"""Tests by tier: unit, app, system, chaos, bench."""
