"""Karen's applications, bottom-up.

core, audit, jobs, tenants, accounts, providers, conversations, web and api, admin.
"""
