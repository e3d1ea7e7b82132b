"""Cursors of search: where a page ended. Opaque to clients, no secret. Pure.

They select only among what the search itself may find, so a forged one finds nothing more.
"""

import base64
import json
import math
from datetime import datetime
from uuid import UUID

from apps.conversations.search.fusion import Fused
from apps.core.errors import InvalidInput

_LENGTH_MAX = 200


def ranked_cursor(last: Fused) -> str:
    """Return the cursor after `last`, in the order of scores."""
    return _encode("r", repr(last.score), last.entry_id)


def ranked_position(cursor: str | None) -> tuple[float, int] | None:
    """Return the sort key that a ranked cursor stands for.

    Raises:
        InvalidInput: It is not a cursor of a search with a text.
    """
    if not cursor:
        return None
    value, entry_id = _decode("r", cursor)
    try:
        score = float(value)
    except ValueError:
        raise _refused() from None
    if not math.isfinite(score):
        raise _refused()
    return -score, -entry_id.int


def newest_cursor(created_at: datetime, entry_id: UUID) -> str:
    """Return the cursor after a message, in the order of time."""
    return _encode("n", created_at.isoformat(), entry_id)


def newest_position(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Return the moment and the id that a cursor of the newest messages stands for.

    Raises:
        InvalidInput: It is not a cursor of a search without a text.
    """
    if not cursor:
        return None
    value, entry_id = _decode("n", cursor)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refused() from None
    if moment.tzinfo is None:
        raise _refused()
    return moment, entry_id


def _encode(kind: str, value: str, entry_id: UUID) -> str:
    text = json.dumps([kind, value, entry_id.hex], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(kind: str, cursor: str) -> tuple[str, UUID]:
    found = _read(cursor) if len(cursor) <= _LENGTH_MAX else None
    match found:
        case [str(wanted), str(value), str(entry_id)] if wanted == kind:
            try:
                return value, UUID(entry_id)
            except ValueError:
                pass
    raise _refused()


def _read(cursor: str) -> object:
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None


def _refused() -> InvalidInput:
    return InvalidInput(fields={"cursor": ["Pass the `next` of a page you received, unchanged."]})
