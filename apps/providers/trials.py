"""Running evaluations: a version of a prompt, a set of cases, a model that is asked."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.task import remaining_s
from apps.providers import gateway, registry, selectors
from apps.providers.contracts import Flow, ModelInfo, ModelRequest, TextDelta
from apps.providers.domain.assertions import Answer, why_not
from apps.providers.domain.cases import Case, cases_from
from apps.providers.domain.prompt_specs import RenderedPrompt
from apps.providers.errors import ProviderTimeout
from apps.providers.models.prompts import DONE, QUEUED, RUNNING, EvaluationRun
from apps.providers.prompts.rendering import render
from apps.providers.services.evaluations import enqueue_evaluation
from apps.providers.services.rendering import likeness_of, numbered, prompt_answer

logger = get_logger(__name__)

_ANSWER_TOKENS, _ANSWER_SHARE = 1_024, 4
_CASE_S, _RESERVE_S = 120.0, 20.0
_KEPT_CHARACTERS = 4_000
_SLICE_S = 60.0  # then others get their turn: a worker has few hands, the local model's one


def run_evaluation(*, run_id: UUID) -> None:
    """Try the cases of a run that were not tried yet, and keep each result at once.

    Harmless when it runs twice: whoever claims the run later is the only one that still writes.
    What does not fit into the task's time goes on in another task.
    """
    claimed = EvaluationRun.objects.filter(
        pk=run_id, state__in=[QUEUED, RUNNING], evaluation_set__tenant_id=scope.require().id
    ).update(state=RUNNING, attempt=F("attempt") + 1)
    if not claimed:
        return
    run = EvaluationRun.objects.select_related("evaluation_set").get(pk=run_id)
    cases = cases_from(run.cases)
    until = time.monotonic() + _SLICE_S
    for case in cases[len(run.results) :]:
        if (time.monotonic() > until or remaining_s() < _RESERVE_S) and _continued(run):
            return
        if not _keep(run, _tried(run, case)):
            return  # somebody claimed it after us
    EvaluationRun.objects.filter(pk=run_id, attempt=run.attempt).update(
        state=DONE, finished_at=now()
    )


def _continued(run: EvaluationRun) -> bool:
    model = selectors.find_model(run.model)
    if model is not None:
        with transaction.atomic():
            enqueue_evaluation(run.pk, model)
    return model is not None


def _tried(run: EvaluationRun, case: Case) -> dict[str, Any]:
    """Return the result of one case; what fails is a result too."""
    result: dict[str, Any] = {"name": case.name, "passed": False, "failures": [], "answer": ""}
    try:
        model = selectors.get_model(run.model)
        name = run.evaluation_set.prompt_name
        rendered = render(
            numbered(run.evaluation_set.tenant_id, name, run.number),
            case.variables,
            contexts=case.contexts,
            likeness=likeness_of,
        )
        text = prompt_answer(rendered, run_async(_answer(run, rendered, model)))
        tokens = selectors.token_counter(model).count(text)
        failures = _failures(case, text, tokens)
    except KarenError as error:
        logger.info("prompt.case_failed", run_id=str(run.pk), cause=error.code)
        return {**result, "failures": [{"kind": "error", "reason": error.code}]}
    kept = registry.redacted(text).replace("\x00", "")[:_KEPT_CHARACTERS]
    return {
        **result,
        "passed": not failures,
        "failures": failures,
        "answer": kept.encode("utf-8", "replace").decode(),
        "tokens": tokens,
    }


def _failures(case: Case, text: str, tokens: int) -> list[dict[str, str]]:
    answer = Answer(text=text, tokens=tokens, likeness=lambda other: likeness_of(text, [other])[0])
    reasons = [(demand, why_not(demand, answer)) for demand in case.demands]
    return [
        {"kind": demand.kind.value, "reason": reason[:300]} for demand, reason in reasons if reason
    ]


async def _answer(run: EvaluationRun, rendered: RenderedPrompt, model: ModelInfo) -> str:
    request = ModelRequest(
        model=model.id,
        messages=rendered.messages,
        max_tokens=max(1, min(_ANSWER_TOKENS, model.context_tokens // _ANSWER_SHARE)),
        temperature=0.0,
        partition=f"{run.evaluation_set.tenant_id}:evaluation:{run.pk}",
        response_format=rendered.response_format if model.supports_formats else "",
    )
    seconds = max(0.0, min(_CASE_S, remaining_s() - _RESERVE_S / 2))
    try:
        async with (
            asyncio.timeout(seconds),
            aclosing(gateway.stream(flow=Flow.PROMPT_EVALUATION, request=request)) as events,
        ):
            pieces = [event.text async for event in events if isinstance(event, TextDelta)]
    except TimeoutError as error:
        raise ProviderTimeout from error
    return "".join(pieces)


def _keep(run: EvaluationRun, result: Mapping[str, Any]) -> bool:
    results: Sequence[Any] = [*run.results, result]
    passed = sum(bool(one["passed"]) for one in results)
    kept = EvaluationRun.objects.filter(pk=run.pk, attempt=run.attempt).update(
        results=results, passed=passed, failed=len(results) - passed
    )
    run.results = results
    return bool(kept)
