"""REST: providers, their models, the gateway's settings, routing policies."""
