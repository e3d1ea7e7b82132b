"""REST of the gateway."""
