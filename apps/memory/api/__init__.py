"""REST for memories."""
