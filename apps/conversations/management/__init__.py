"""Management commands of conversations."""
