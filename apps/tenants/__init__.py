"""Tenants: resolving, routing, provisioning, the fleet, and the database backend."""
