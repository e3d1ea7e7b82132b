"""What workspaces have chosen, kept in this process for a few seconds.

A model call asks each time; the database is asked once in `KEPT_S` seconds for each workspace. A
change is seen at once in the process where it was made and within that time in the others.
"""

import threading
import time
from collections import OrderedDict
from uuid import UUID

from django.db.models import QuerySet

from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.scope import TenantRef
from apps.providers.domain.guarding import (
    ContentRule,
    GuardrailSettings,
    InjectionAction,
    Level,
    PiiAction,
    RuleAction,
    RuleKind,
    Stage,
)
from apps.providers.models.guardrails import (
    ContentRule as StoredRule,
    GuardrailDecision,
    GuardrailPolicy,
)

KEPT_S = 5.0
_ENTRIES_MAX = 10_000


class _Cache:
    """Bounded map of tenant → choice with an expiry, safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[UUID, tuple[float, GuardrailSettings]] = OrderedDict()

    def get(self, tenant_id: UUID) -> GuardrailSettings | None:
        with self._lock:
            entry = self._entries.get(tenant_id)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, tenant_id: UUID, settings: GuardrailSettings) -> None:
        with self._lock:
            self._entries[tenant_id] = (time.monotonic() + KEPT_S, settings)
            self._entries.move_to_end(tenant_id)
            while len(self._entries) > _ENTRIES_MAX:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()


def policy_of(tenant: TenantRef) -> GuardrailSettings:
    """Return what a workspace has chosen; from synchronous code."""
    known = _cache.get(tenant.id)
    if known is None:
        known = stored_guardrails(tenant.id)
        _cache.put(tenant.id, known)
    return known


async def policy_of_async(tenant: TenantRef) -> GuardrailSettings:
    """Return what a workspace has chosen; off the event loop only when it was not asked lately."""
    known = _cache.get(tenant.id)
    return known if known is not None else await platform_db(policy_of, tenant)


def forget_policies() -> None:
    """Drop this process's answers; called when a workspace changes its choice here."""
    _cache.clear()


def stored_guardrails(tenant_id: UUID) -> GuardrailSettings:
    """Return what the database holds, without keeping it."""
    row = GuardrailPolicy.objects.filter(tenant_id=tenant_id).first()
    if row is None:
        return GuardrailSettings()
    return GuardrailSettings(
        level=Level(row.level),
        pii=PiiAction(row.pii_action),
        injection=InjectionAction(row.injection_action),
        secrets_in_answers=row.secrets_in_answers,
        repair_structure=row.repair_structure,
        answer_notes=row.answer_notes,
        rules=tuple(map(_rule, StoredRule.objects.filter(tenant_id=tenant_id))),
        version=row.version,
    )


def _rule(row: StoredRule) -> ContentRule:
    return ContentRule(
        name=row.name,
        kind=RuleKind(row.kind),
        pattern=row.pattern,
        action=RuleAction(row.action),
        stage=Stage(row.stage),
        enabled=row.enabled,
    )


def list_guardrail_decisions() -> QuerySet[GuardrailDecision]:
    """Return what was decided in the workspace in scope."""
    return GuardrailDecision.objects.filter(tenant_id=scope.require().id)
