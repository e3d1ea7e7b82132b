"""What the assistant remembers about people, per workspace."""
