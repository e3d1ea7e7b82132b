"""Background work of the gateway: models that live in the inference worker."""

from datetime import timedelta
from uuid import UUID

from apps.core.clock import now
from apps.core.concurrency import run_async
from apps.jobs.task import global_task, remaining_s, tenant_task
from apps.providers import ledger, pipe, reembedding, trials, warnings_by_mail, watching
from apps.providers.services import budgets, evaluations, guardrails

_RESERVE_S = 5.0  # for saying that time is up


@tenant_task(
    name=pipe.ANSWER_TASK,
    queue="gpu.inference",
    deadline_s=600,
    expires_s=60,
    idempotency="the question is taken once",
)
def answer_call(*, call_id: str) -> None:
    """Answer somebody who waits, with a model of this process."""
    run_async(pipe.answer_call(UUID(call_id), within_s=remaining_s() - _RESERVE_S))


@tenant_task(
    name=pipe.EMBED_TASK,
    queue="gpu.embedding",
    deadline_s=120,
    expires_s=60,
    idempotency="the question is taken once",
)
def embed_call(*, call_id: str) -> None:
    """Make vectors for somebody who waits."""
    run_async(pipe.answer_call(UUID(call_id), within_s=remaining_s() - _RESERVE_S))


@global_task(
    name="providers.catch_up_embeddings",
    queue="default",
    deadline_s=300,
    expires_s=300,
    idempotency="state",
)
def catch_up_embeddings() -> None:
    """Enqueue what has no vector of the present model in any workspace; measure how much it is."""
    reembedding.catch_up()


@global_task(
    name="providers.erase_old_decisions",
    queue="default",
    deadline_s=60,
    expires_s=3600,
    idempotency="what is gone is gone",
)
def erase_old_decisions() -> None:
    """Erase what guardrails decided long ago."""
    guardrails.erase_old_decisions(before=now() - timedelta(days=guardrails.KEPT_DAYS))


@global_task(
    name="providers.watch",
    queue="default",
    deadline_s=30,
    expires_s=30,
    idempotency="asks again",
)
def watch() -> None:
    """Ask providers that failed lately whether they answer again."""
    watching.watch_providers()


@tenant_task(
    name=evaluations.EVALUATION_TASK,
    queue="default",
    deadline_s=600,
    expires_s=3600,
    idempotency="claimed by attempt; tried cases are kept",
)
def run_evaluation(*, run_id: str) -> None:
    """Try a version of a prompt with the cases of a set."""
    trials.run_evaluation(run_id=UUID(run_id))


@global_task(
    name="providers.tend_ledger",
    queue="default",
    deadline_s=120,
    expires_s=3600,
    idempotency="state",
)
def tend_ledger() -> None:
    """Make the ledger's months ahead of time, and drop those that are kept no longer."""
    ledger.tend_ledger()


@global_task(
    name=budgets.WARNING_TASK,
    queue="default",
    deadline_s=60,
    expires_s=24 * 3600,
    idempotency="enqueued once per budget, subject and period",
)
def warn_of_budget(*, use_id: str) -> None:
    """Write to whoever manages a workspace that a budget passed its alert share."""
    warnings_by_mail.warn_of_budget(UUID(use_id))
