"""Identifiers: UUID version 7 (RFC 9562), which sort by creation time."""

from uuid import UUID

import uuid_utils.compat as uuid_utils


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return uuid_utils.uuid7()
