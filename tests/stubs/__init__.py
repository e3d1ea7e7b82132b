"""Real servers that stand in for the services of others."""
