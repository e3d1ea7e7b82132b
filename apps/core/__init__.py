"""What every app stands on: scope, errors, ids, crypto, HTTP, Redis, logging.

No tables, no domain words.
"""
