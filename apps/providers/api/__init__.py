"""REST for prompts."""
