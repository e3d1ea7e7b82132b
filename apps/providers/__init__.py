"""The gateway: every call to a language or embedding model goes through this app."""
