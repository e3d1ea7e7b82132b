"""REST: what the gateway's workspaces set up, and what they use."""
