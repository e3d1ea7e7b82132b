"""Trying a version of a prompt with cases, and keeping what came of it."""

import json
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.audit import services as audit
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.logging import get_logger
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.providers import selectors
from apps.providers.contracts import ModelInfo
from apps.providers.domain.cases import CaseFault, cases_from
from apps.providers.errors import PromptNotFound
from apps.providers.models.prompts import DONE, EvaluationRun, EvaluationSet
from apps.providers.prompts.reading import find_version, get_prompt, prompts_owner
from apps.providers.prompts.views import EvaluationRunView, EvaluationSetView
from apps.providers.services.rendering import numbered

logger = get_logger(__name__)

EVALUATION_TASK = "providers.run_evaluation"
SETS_MAX, UNFINISHED_MAX = 100, 3
_NAME_CHARACTERS, _CASES_CHARACTERS = 80, 1_000_000
_LISTED = 50
_STUCK = timedelta(hours=2)  # a run that was lost on its way holds nobody up longer


@transaction.atomic(durable=True)
def save_evaluation_set(
    *, actor: Actor, permission: str, prompt: str, name: str, cases: object
) -> EvaluationSetView:
    """Keep the cases of a set; one of the same name is replaced.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such prompt.
        InvalidInput: The name or a case cannot be used; says which and why.
        Conflict: There are too many sets.
    """
    tenant_id = _workspace(actor, permission)
    get_prompt(actor=actor, permission=permission, name=prompt)
    if not 1 <= len(name.strip()) <= _NAME_CHARACTERS or "\x00" in name:
        raise InvalidInput(fields={"name": [_("Give a name of at most 80 characters.")]})
    _check_cases(cases)
    sets = EvaluationSet.objects.filter(tenant_id=tenant_id)
    if sets.exclude(prompt_name=prompt, name=name.strip()).count() >= SETS_MAX:
        raise Conflict(_("There are too many evaluation sets. Delete one that is not used."))
    row, _created = sets.update_or_create(
        tenant_id=tenant_id,
        prompt_name=prompt,
        name=name.strip(),
        defaults={"cases": cases, "updated_at": now()},
    )
    _record("prompt.evaluation_set_saved", row, {"name": row.name})
    return _set_view(row)


@transaction.atomic(durable=True)
def delete_evaluation_set(*, actor: Actor, permission: str, set_id: UUID) -> None:
    """Delete a set with its runs.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such set.
    """
    row = _access_set(actor, permission, set_id)
    _record("prompt.evaluation_set_deleted", row, {"name": row.name})
    row.delete()


def list_evaluation_sets(*, actor: Actor, permission: str, prompt: str) -> list[EvaluationSetView]:
    """Return the sets of a prompt, by name.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    tenant_id = _workspace(actor, permission)
    rows = EvaluationSet.objects.filter(tenant_id=tenant_id, prompt_name=prompt)
    return [_set_view(row) for row in rows[:SETS_MAX]]


@transaction.atomic(durable=True)
def start_evaluation(
    *, actor: Actor, permission: str, set_id: UUID, number: int, model: str | None
) -> EvaluationRunView:
    """Have a version tried with a set's cases, in the background.

    Args:
        actor: Who asks.
        permission: What the edge demands.
        set_id: The cases.
        number: The version; 0 for what stands below.
        model: Who answers; the default model where None.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such set or version.
        PromptInvalid: The version does not fit its callers any more.
        ModelNotFound: The model is not configured.
        NoModelAvailable: None is.
        Conflict: Enough evaluations are running.
    """
    row = _access_set(actor, permission, set_id)
    numbered(row.tenant_id, row.prompt_name, number)
    chosen = selectors.choose_route(model=model).model
    unfinished = EvaluationRun.objects.filter(
        evaluation_set__tenant_id=row.tenant_id, created_at__gt=now() - _STUCK
    ).exclude(state=DONE)
    if unfinished.count() >= UNFINISHED_MAX:
        raise Conflict(_("Enough evaluations are running. Wait for one of them."))
    run = EvaluationRun.objects.create(
        evaluation_set=row,
        version=find_version(owner=row.tenant_id, name=row.prompt_name, number=number),
        number=number,
        model=chosen.id,
        cases=row.cases,
        author_label=actor.label[:254],
    )
    _record("prompt.evaluation_started", row, {"version": number, "model": chosen.id})
    enqueue_evaluation(run.pk, chosen)
    return run_view(run)


def get_evaluation_run(*, actor: Actor, permission: str, run_id: UUID) -> EvaluationRunView:
    """Return a run with the results so far.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such run.
    """
    tenant_id = _workspace(actor, permission)
    row = (
        EvaluationRun.objects.select_related("evaluation_set")
        .filter(pk=run_id, evaluation_set__tenant_id=tenant_id)
        .first()
    )
    if row is None:
        raise PromptNotFound
    return run_view(row)


def list_evaluation_runs(*, actor: Actor, permission: str, set_id: UUID) -> list[EvaluationRunView]:
    """Return the latest runs of a set, newest first.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such set.
    """
    row = _access_set(actor, permission, set_id)
    return [run_view(run) for run in row.runs.select_related("evaluation_set")[:_LISTED]]


def run_view(row: EvaluationRun) -> EvaluationRunView:
    """Map a run."""
    return EvaluationRunView(
        id=row.pk,
        set_id=row.evaluation_set_id,
        prompt=row.evaluation_set.prompt_name,
        version=row.number,
        model=row.model,
        state=row.state,
        cases=len(row.cases),
        passed=row.passed,
        failed=row.failed,
        results=row.results,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def enqueue_evaluation(run_id: UUID, model: ModelInfo) -> None:
    """Have a run taken up, or taken further, when the caller's transaction commits."""
    queue = "gpu.inference" if model.in_process else "default"
    jobs.enqueue_on_commit(EVALUATION_TASK, queue=queue, run_id=run_id)


def _workspace(actor: Actor, permission: str) -> UUID:
    """Return the workspace whose sets these are; the platform has none."""
    prompts_owner(actor=actor, permission=permission)
    return scope.require().id


def _check_cases(cases: object) -> None:
    try:
        cases_from(cases)
    except CaseFault as fault:
        raise InvalidInput(fields={"cases": [str(fault)]}) from None
    if len(json.dumps(cases, ensure_ascii=False)) > _CASES_CHARACTERS:
        text = _("At most %(most)d characters.") % {"most": _CASES_CHARACTERS}
        raise InvalidInput(fields={"cases": [text]})


def _access_set(actor: Actor, permission: str, set_id: UUID) -> EvaluationSet:
    tenant_id = _workspace(actor, permission)
    row = EvaluationSet.objects.filter(pk=set_id, tenant_id=tenant_id).first()
    if row is None:
        raise PromptNotFound
    return row


def _set_view(row: EvaluationSet) -> EvaluationSetView:
    return EvaluationSetView(
        id=row.pk,
        prompt=row.prompt_name,
        name=row.name,
        cases=row.cases,
        updated_at=row.updated_at,
    )


def _record(action: str, row: EvaluationSet, data: dict[str, object]) -> None:
    audit.record(
        action=action,
        target_type="prompt_evaluation",
        target_id=row.pk,
        target_label=row.prompt_name,
        data=data,
    )
