"""Two versions of a prompt side by side, until one of them is known to be better."""

import math
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Avg, Count, Q, Variance
from django.utils.translation import gettext as _

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers import registry
from apps.providers.domain.arms import ARM_A, ARM_B, arm_of, subject_key
from apps.providers.domain.prompt_specs import RenderedPrompt
from apps.providers.domain.significance import Sample, compare_scores, compare_shares
from apps.providers.errors import ExperimentRuns, PromptNotFound
from apps.providers.models.prompts import (
    RUNNING,
    STOPPED,
    PromptExperiment,
    PromptOutcome,
)
from apps.providers.prompts.in_force import forget_prompts, of_owner
from apps.providers.prompts.reading import access_prompt, prompts_owner
from apps.providers.prompts.views import ExperimentView
from apps.providers.services.prompts import change_active, usable_version

_LISTED = 50
_SUBJECT_CHARACTERS = 200


@transaction.atomic(durable=True)
def start_experiment(
    *, actor: Actor, permission: str, name: str, version: int, share: int
) -> ExperimentView:
    """Give a share of the calls to a version, and the rest to the one that holds.

    Args:
        actor: Who starts it.
        permission: What the edge demands.
        name: The prompt's name.
        version: Number of version B.
        share: Per cent of the subjects that get it, 1 to 99.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such prompt or version.
        PromptInvalid: The version does not fit its callers any more.
        ExperimentRuns: There is an experiment already.
        InvalidInput: The share is out of range, the version holds already, or the prompt is a
            fragment: nobody could say which answer it made better.
    """
    row = access_prompt(actor=actor, permission=permission, name=name, lock=True)
    if not 1 <= share <= 99:
        raise InvalidInput(fields={"share": [_("Give a whole number from 1 to 99.")]})
    shipped = registry.find_prompt_spec(name)
    if shipped is not None and shipped.fragment:
        reason = _("This text goes into other prompts and cannot be compared alone.")
        raise InvalidInput(fields={"version": [reason]})
    if row.active is not None and row.active.number == version:
        raise InvalidInput(fields={"version": [_("This version holds already.")]})
    if row.experiments.filter(state=RUNNING).exists():
        raise ExperimentRuns
    experiment = PromptExperiment.objects.create(
        prompt=row,
        arm_a=row.active,
        arm_b=usable_version(row, version),
        share=share,
        author_label=actor.label[:254],
    )
    _record("prompt.experiment_started", experiment, {"version": version, "share": share})
    transaction.on_commit(forget_prompts)
    return experiment_view(experiment)


@transaction.atomic(durable=True)
def stop_experiment(
    *, actor: Actor, permission: str, experiment_id: UUID, keep: str
) -> ExperimentView:
    """End an experiment and have one of its versions hold. Twice changes nothing.

    Args:
        actor: Who ends it.
        permission: What the edge demands.
        experiment_id: Which.
        keep: `a` or `b`.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such experiment.
        InvalidInput: `keep` is neither.
    """
    if keep not in {ARM_A, ARM_B}:
        raise InvalidInput(fields={"keep": [_("Say a or b.")]})
    found = _access(actor, permission, experiment_id)
    row = access_prompt(actor=actor, permission=permission, name=found.prompt.name, lock=True)
    experiment = _access(actor, permission, experiment_id)  # as it stands under the lock
    if experiment.state != RUNNING:
        return experiment_view(experiment)
    experiment.state, experiment.ended_at = STOPPED, now()
    experiment.save(update_fields=["state", "ended_at"])
    if keep == ARM_B:
        change_active(row, number=experiment.arm_b.number, action="prompt.activated")
    _record("prompt.experiment_stopped", experiment, {"kept": keep})
    transaction.on_commit(forget_prompts)
    return experiment_view(experiment)


def get_experiment(*, actor: Actor, permission: str, experiment_id: UUID) -> ExperimentView:
    """Return an experiment with what it shows so far.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such experiment.
    """
    return experiment_view(_access(actor, permission, experiment_id))


def list_experiments(*, actor: Actor, permission: str, name: str) -> list[ExperimentView]:
    """Return the latest experiments of a prompt, newest first.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    rows = PromptExperiment.objects.select_related("prompt", "arm_a", "arm_b").filter(
        of_owner(owner, "prompt__tenant"), prompt__name=name
    )
    return [experiment_view(row) for row in rows[:_LISTED]]


def note_prompt_outcome(
    rendered: RenderedPrompt, *, passed: bool | None = None, score: float | None = None
) -> None:
    """Count how a call fared, if it was part of an experiment; each subject counts once.

    Args:
        rendered: What was asked.
        passed: Whether the answer was of use.
        score: How good it was, 0 to 1.
    """
    if rendered.experiment_id is None or not rendered.subject:
        return
    _keep(rendered.experiment_id, rendered.arm, rendered.subject, passed=passed, score=score)


def record_prompt_outcome(
    *,
    actor: Actor,
    permission: str,
    experiment_id: UUID,
    subject: str,
    passed: bool | None = None,
    score: float | None = None,
) -> bool:
    """Count how a subject fared whose prompt was rendered elsewhere; each counts once.

    Returns:
        Whether it was counted: not when it was before, or the experiment has ended.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such experiment.
        InvalidInput: The subject is missing or too long, or there is neither pass nor score.
    """
    experiment = _access(actor, permission, experiment_id)
    if not 1 <= len(subject) <= _SUBJECT_CHARACTERS:
        raise InvalidInput(fields={"subject": [_("Give 1 to 200 characters.")]})
    if passed is None and score is None:
        raise InvalidInput(fields={"passed": [_("Say whether it passed, or give a score.")]})
    arm = arm_of(experiment_id=experiment.pk, subject=subject, share=experiment.share)
    return _keep(experiment.pk, arm, subject, passed=passed, score=score)


def experiment_view(row: PromptExperiment) -> ExperimentView:
    """Map an experiment, its outcomes counted."""
    a, b = _counted(row, ARM_A), _counted(row, ARM_B)
    scored = a.scores.n or b.scores.n
    return ExperimentView(
        id=row.pk,
        prompt=row.prompt.name,
        version_a=row.arm_a.number if row.arm_a is not None else 0,
        version_b=row.arm_b.number,
        share=row.share,
        state=row.state,
        n_a=a.n,
        n_b=b.n,
        passed_a=a.passed,
        passed_b=b.passed,
        scored_a=a.scores.n,
        scored_b=b.scores.n,
        passes=compare_shares(passed_a=a.passed, n_a=a.n, passed_b=b.passed, n_b=b.n),
        scores=compare_scores(a.scores, b.scores) if scored else None,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    n: int
    passed: int
    scores: Sample


def _counted(row: PromptExperiment, arm: str) -> _Counted:
    found = row.outcomes.filter(arm=arm).aggregate(
        n=Count("pk", filter=Q(passed__isnull=False)),
        passes=Count("pk", filter=Q(passed=True)),
        scored=Count("score"),
        mean=Avg("score"),
        variance=Variance("score", sample=True),
    )
    scores = Sample(n=found["scored"], mean=found["mean"] or 0.0, variance=found["variance"] or 0.0)
    return _Counted(n=found["n"], passed=found["passes"], scores=scores)


def _access(actor: Actor, permission: str, experiment_id: UUID) -> PromptExperiment:
    owner = prompts_owner(actor=actor, permission=permission)
    row = (
        PromptExperiment.objects.select_related("prompt", "arm_a", "arm_b")
        .filter(of_owner(owner, "prompt__tenant"), pk=experiment_id)
        .first()
    )
    if row is None:
        raise PromptNotFound
    return row


def _keep(
    experiment_id: UUID, arm: str, subject: str, *, passed: bool | None, score: float | None
) -> bool:
    if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
        raise InvalidInput(fields={"score": [_("Give a number from 0 to 1.")]})
    if not PromptExperiment.objects.filter(pk=experiment_id, state=RUNNING).exists():
        return False
    key = subject_key(experiment_id=experiment_id, subject=subject)
    row = PromptOutcome(
        experiment_id=experiment_id, subject=key, arm=arm, passed=passed, score=score
    )
    try:
        with transaction.atomic():
            PromptOutcome.objects.bulk_create([row], ignore_conflicts=True)
    except IntegrityError:  # the experiment went away meanwhile
        return False
    return PromptOutcome.objects.filter(pk=row.pk).exists()


def _record(action: str, experiment: PromptExperiment, data: dict[str, object]) -> None:
    audit.record(
        action=action,
        target_type="prompt",
        target_id=experiment.prompt_id,
        target_label=experiment.prompt.name,
        data={"experiment": str(experiment.pk), **data},
    )
