"""REST: a person's own API keys."""
