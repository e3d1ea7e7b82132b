"""What readiness asks of the layers above core: the workers and the models."""

from apps.core.concurrency import run_async
from apps.core.health import Check, Outcome, register_check
from apps.jobs import selectors as jobs
from apps.providers import gateway

# The canaries beat every 10 s; three missed ones are no accident.
_SILENT_AFTER_S = 35.0


def _workers() -> Outcome:
    ages = jobs.queue_heartbeats()
    never = sorted(queue for queue, age in ages.items() if age is None)
    silent = sorted(q for q, age in ages.items() if age is not None and age > _SILENT_AFTER_S)
    if not never and not silent:
        return Outcome(ok=True)
    parts = []
    if never:
        parts.append(f"starting: {', '.join(never)}")
    if silent:
        parts.append(f"silent: {', '.join(silent)}")
    return Outcome(ok=False, detail="; ".join(parts))


def _models() -> Outcome:
    health = run_async(gateway.probe())
    # The engine's own words may name files; whether a model can be asked is all that is public.
    return Outcome(ok=health.ok, detail="" if health.ok else "no model available")


def register() -> None:
    """Add both checks; chat answers with less when they fail, so neither is required."""
    register_check(Check(name="workers", run=_workers))
    register_check(Check(name="models", run=_models))
