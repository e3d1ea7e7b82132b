"""Durable background work: tasks that know their tenant, outbox, leases, dead letters."""
