"""REST: what a workspace chooses about models."""
