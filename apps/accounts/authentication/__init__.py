"""How the REST API knows its callers and what they may do."""
