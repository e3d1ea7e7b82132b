"""The operators' console: Django admin with the Unfold theme, on the platform host only."""
