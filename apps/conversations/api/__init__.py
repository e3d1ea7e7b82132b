"""REST for conversations, messages and turns."""
