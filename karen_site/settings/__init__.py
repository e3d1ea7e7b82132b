"""Settings by environment: dev, test, production over base."""
