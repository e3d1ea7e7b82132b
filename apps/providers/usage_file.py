"""The ledger as a CSV file."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import TenantRef
from apps.providers.models import Call
from apps.providers.usage import Window, iterate_calls, people_labels

COLUMNS = (
    "started_at", "user", "flow", "model", "provider", "status", "prompt_tokens",
    "completion_tokens", "cached_tokens", "reasoning_tokens", "is_estimated", "is_cached",
    "cost_usd", "price_source", "first_ms", "total_ms", "tries", "turn_id", "attempt", "step",
    "user_id", "key_id", "correlation_id",
)  # fmt: skip


def file_name(window: Window) -> str:
    """Return what the file is called."""
    return f"usage-{window.first}-{window.last}.csv"


async def calls_as_csv(window: Window, *, tenant: TenantRef) -> AsyncIterator[str]:
    """Yield the file in pieces, newest call first; an unknown price is an empty field."""
    with scope.tenant_scope(tenant):
        names = await tenant_db(people_labels)
    yield _lines([COLUMNS])
    async for page in iterate_calls(window, tenant=tenant):
        yield _lines(_fields(call, names) for call in page)


def _fields(call: Call, names: dict[UUID, str]) -> tuple[object, ...]:
    return (
        call.started_at.isoformat(),
        _harmless(names.get(call.user_id, "") if call.user_id else ""),
        call.flow,
        _harmless(call.model),
        _harmless(call.provider),
        call.status,
        call.prompt_tokens,
        call.completion_tokens,
        call.cached_tokens,
        call.reasoning_tokens,
        call.is_estimated,
        call.is_cached,
        None if call.cost is None else f"{call.cost:f}",
        call.price_source,
        call.first_ms,
        call.total_ms,
        call.tries,
        call.turn_id,
        call.attempt,
        call.step,
        call.user_id,
        call.key_id,
        call.correlation_id,
    )


def _harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: names are what people typed."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _lines(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
