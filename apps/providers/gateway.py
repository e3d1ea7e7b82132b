"""The one door to models: `stream` for chat, `embed` for vectors, `probe` for health.

One call goes through these stages, in this order; what each did stands in its record (`steps`):

    guard → cache → join → limits → budget → breaker → call → settle → ledger → keep

Every stage that is not wanted costs a look into memory. The gateway never replaces the model that
was chosen (`routing` chooses), and holds no database connection while a model is asked.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeAlias

from django.db import Error

from apps.core.concurrency import platform_db
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import cache, configuration, guardrails, limits, registry, selectors, spending
from apps.providers.accounting import OK, Account, Record
from apps.providers.answer_guard import OutputGuard
from apps.providers.calling import call_model
from apps.providers.configuration import Configuration
from apps.providers.contracts import (
    NOBODY,
    EngineHealth,
    Flow,
    ModelRequest,
    Origin,
    ProviderEvent,
    UsageReport,
)
from apps.providers.domain.guarding import Decision
from apps.providers.embedding import MAX_EMBED_TEXTS, embed, warm_embedder
from apps.providers.errors import GuardrailRefused, ProviderInterrupted, RouteRefused
from apps.providers.guardrails import InputVerdict
from apps.providers.ledger import record_call
from apps.providers.services.guardrails import record_guardrail_decisions

# Embedding has a module of its own; other apps enter by this one.
__all__ = (
    "MAX_EMBED_TEXTS",
    "embed",
    "probe",
    "stream",
    "stream_batches",
    "warm",
    "warm_counter",
    "warm_embedder",
    "warm_remote",
)

# Embedding has a module of its own; other apps enter by this one.
__all__ = (
    "MAX_EMBED_TEXTS",
    "embed",
    "probe",
    "stream",
    "stream_batches",
    "warm",
    "warm_counter",
    "warm_embedder",
    "warm_remote",
)

logger = get_logger(__name__)

_Batches: TypeAlias = AsyncGenerator[list[ProviderEvent], None]


async def stream(
    *, flow: Flow, request: ModelRequest, origin: Origin = NOBODY, record: Record = record_call
) -> AsyncGenerator[ProviderEvent, None]:
    """Ask `request.model` and yield its events; the last one is `Finished`.

    Raises:
        KarenError: As `stream_batches`.
    """
    batches = stream_batches(flow=flow, request=request, origin=origin, record=record)
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                yield event


async def stream_batches(
    *, flow: Flow, request: ModelRequest, origin: Origin = NOBODY, record: Record = record_call
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Ask `request.model` and yield its events, together what arrived together.

    Failed attempts are repeated only while nothing was yielded: two halves of different answers
    are never joined. Closing the generator stops the model.

    The last event is `Finished`. Before it there is one `UsageReport`, estimated if the provider
    sent none or one that cannot be.

    Args:
        flow: Why the model is called.
        request: What is asked.
        origin: On whose behalf; budgets and the ledger go by it.
        record: Takes the record of the call once it has ended, however it did. By itself it goes
            to the ledger; whoever passes something else has to write it.

    Raises:
        ModelNotFound: `request.model` is not configured.
        RateLimited: Workspace or member asked too much.
        BudgetExceeded: A budget has no room; `PriceUnknown` if that cannot be said.
        ProviderUnavailable: The model cannot be reached now, also after retries.
        ProviderTimeout: It did not begin to answer in time.
        ProviderInterrupted: It stopped before it said that it was finished.
        ProviderRejected: It refuses this request; `ContextTooLong` when it does not fit.
        ConfigurationError: The operator must mend something.
    """
    known = await configuration.loaded()
    model = selectors.get_model(request.model)
    account = Account(flow, model, request, origin, record)
    try:
        async with aclosing(_guarded(known, request, account)) as batches:
            async for batch in batches:
                account.saw(batch)
                yield batch
        account.status = OK
    except KarenError as error:
        account.status = error.code
        raise
    finally:
        account.close()


async def _guarded(known: Configuration, request: ModelRequest, account: Account) -> _Batches:
    """Answer between the guardrails of the workspace, and write down what they decided."""
    decisions: list[Decision] = []
    try:
        verdict = await guardrails.check_input_async(
            known.guardrails, request, marked=account.origin.is_sensitive
        )
        decisions += verdict.decisions
        _demand_trusted(verdict, account)
        guard = OutputGuard(known.guardrails, verdict.values, request.response_format)
        try:
            async with aclosing(_answered(known, verdict.request, account)) as batches:
                async for batch in batches:
                    yielded = guard.feed(batch)
                    if yielded:
                        yield yielded
        except ProviderInterrupted:
            rest = guard.finish()  # what was held back was said as well
            decisions += guard.report.decisions
            if rest:
                yield rest
            raise
        if guard.problems:
            async with aclosing(_asked_again(known, guard, verdict.request, account)) as batches:
                async for batch in batches:
                    yield batch
        rest = guard.finish()
        decisions += guard.report.decisions
        if rest:
            yield rest
    except GuardrailRefused as error:
        account.step("guard", "refused")
        decisions = list(guardrails.decisions_of(error))
        raise
    finally:
        if decisions:
            await _write_down(decisions, account)


async def _asked_again(
    known: Configuration, guard: OutputGuard, request: ModelRequest, account: Account
) -> _Batches:
    """Have the model mend an answer that is not the JSON that was asked for; a call of its own."""
    account.step("guard", "asked again")
    again = account.another(guard.reask(request))
    try:
        async with aclosing(_asked(known, again.request, again)) as batches:
            async for batch in batches:
                again.saw(batch)
                # Its usage is its own call's.
                yielded: list[ProviderEvent] = [
                    each for each in guard.feed(batch) if not isinstance(each, UsageReport)
                ]
                if yielded:
                    yield yielded
        again.status = OK
    except KarenError as error:
        again.status = error.code
        raise
    finally:
        again.close()


def _demand_trusted(verdict: InputVerdict, account: Account) -> None:
    model = account.model
    if verdict.local_only and not model.keeps_secrets:
        account.step("guard", "local only")
        raise RouteRefused(
            reasons=["the content is sensitive and the provider is not trusted"], local_only=True
        )
    account.step("guard", "passed")


async def _write_down(decisions: list[Decision], account: Account) -> None:
    try:
        await platform_db(
            record_guardrail_decisions,
            decisions=decisions,
            flow=account.flow,
            turn_id=account.origin.turn_id,
        )
    except Error:  # the answer must not be lost to the log about it
        logger.exception("guardrails.not_written_down", count=len(decisions))


async def _answered(known: Configuration, request: ModelRequest, account: Account) -> _Batches:
    """Answer from the cache, with somebody else's answer, or by asking."""
    source = known.sources.get(account.model.source_id) if account.model.source_id else None
    key = cache.key_of(known, source, request, account.origin)
    if key is None:
        account.step("cache", "off" if not known.cache_ttl_s else "not for this question")
        async with aclosing(_asked(known, request, account)) as batches:
            async for batch in batches:
                yield batch
        return
    kept = await cache.find(key)
    if kept is not None:
        account.step("cache", "hit")
        account.is_cached = True
        yield kept
        return
    account.step("cache", "miss")
    shared, is_joined = cache.joined(key, lambda: _kept(key, known, request, account))
    account.is_cached = is_joined
    account.step("join", "another's answer" if is_joined else "first")
    async with aclosing(shared) as batches:
        async for batch in batches:
            yield batch


async def _kept(
    key: str, known: Configuration, request: ModelRequest, account: Account
) -> _Batches:
    """Ask, and keep a whole answer; another process that asks the same waits for it."""
    account.take_off()
    turnstile = await cache.alone(key)
    try:
        if turnstile.found is not None:
            account.is_cached = True
            yield turnstile.found
            return
        events: list[ProviderEvent] = []
        async with aclosing(_asked(known, request, account)) as batches:
            async for batch in batches:
                events += batch
                yield batch
        await cache.keep(key, events, ttl_s=known.cache_ttl_s)
        account.step("keep", "kept")
    finally:
        account.land(otherwise=record_call)
        await turnstile.leave()


async def _asked(known: Configuration, request: ModelRequest, account: Account) -> _Batches:
    """Ask the model, within limits and budgets."""
    source = known.sources.get(account.model.source_id) if account.model.source_id else None
    async with (
        limits.admitted(known, source, account=account) as admission,
        spending.set_aside(known, request, account),
        aclosing(call_model(request, account)) as batches,
    ):
        async for batch in batches:
            yield account.checked(batch)
        used = account.consumed()
        await admission.charge(used.completion_tokens if used else 0)


async def probe() -> EngineHealth:
    """Say whether any model can be asked, by what is installed and configured.

    Cheap: asks no model, loads none, touches no network.
    """
    await configuration.loaded()
    models = tuple(model.id for model in selectors.list_models())
    if models:
        count = len(models)
        return EngineHealth(ok=True, detail=f"{count} models, first {models[0]}", models=models)
    return EngineHealth(ok=False, detail=selectors.why_no_model())


def warm() -> str:
    """Load the model that turns get by default, if it runs in this process. Blocking.

    For the start of an inference worker, so that the first person does not wait for the file.

    Returns:
        The id of the loaded model; empty when there was nothing to load.

    Raises:
        ConfigurationError: The file was altered or does not load.
    """
    models = selectors.list_models()
    chosen = selectors.choose_route(model=None).model if models else None
    if chosen is None or not chosen.in_process:
        return ""
    registry.warm(chosen)
    return chosen.id


def warm_counter(*, in_process: bool) -> None:
    """Load the tokenizer of the model that turns get by default. Blocking.

    For the start of a worker that assembles prompts, so that the first turn does not wait.

    Args:
        in_process: Whether this worker answers with local models, or with remote ones.
    """
    models = selectors.list_models()
    chosen = selectors.choose_route(model=None).model if models else None
    if chosen is not None and chosen.in_process is in_process:
        selectors.token_counter(chosen).count("warm")


def warm_remote() -> None:
    """Make ready whatever reaches the configured remote models. Blocking, about half a second.

    For the start of a process: the vendors' SDKs are slow to import, and the first person of each
    process would wait for it.
    """
    for model in {model.provider: model for model in selectors.list_models()}.values():
        if not model.in_process:
            registry.adapter_for(model)
            registry.warm(model)
