"""Which wording of a prompt holds in the workspace in scope.

The workspace's own version, else the platform's, else the one that ships with Karen. Answers are
kept in this process for a few seconds, so a change takes effect almost at once everywhere and
rendering costs no query: which workspaces have anything of their own is asked once for all of
them, and only those are asked one by one.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core import scope
from apps.core.logging import get_logger
from apps.providers import registry
from apps.providers.domain.arms import ARM_A, ARM_B, arm_of
from apps.providers.domain.drafts import DraftFault, spec_from
from apps.providers.domain.prompt_specs import PromptSpec
from apps.providers.errors import PromptNotFound
from apps.providers.models.prompts import RUNNING, Prompt, PromptExperiment, PromptVersion

logger = get_logger(__name__)

_KEPT_S = 5.0
_WORKSPACES_MAX = 2_000


class Origin(StrEnum):
    """Who wrote what holds."""

    SHIPPED = "shipped"
    PLATFORM = "platform"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One version of a prompt; `number` is 0 for the one that ships with Karen."""

    spec: PromptSpec
    number: int
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The wording for one call, and the arm of the experiment that chose it."""

    wording: Wording
    experiment_id: UUID | None = None
    arm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    experiment_id: UUID
    share: int
    a: Wording | None
    b: Wording


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    wording: Wording | None
    trial: _Trial | None = None


_Layer = Mapping[str, _Entry]


@dataclass(slots=True)
class _Kept:
    """What this process knows, with when it stops to hold."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    owners: frozenset[UUID | None] = frozenset()
    owners_until: float = -1.0  # below 0: never asked
    layers: "OrderedDict[UUID | None, tuple[float, _Layer]]" = field(default_factory=OrderedDict)
    # Raised when something changed here: what was asked before it is not kept.
    changes: int = 0


_kept = _Kept()


def of_owner(owner: UUID | None, path: str = "tenant") -> Q:
    """Return the condition for rows of a workspace, or of the platform where `owner` is None."""
    return Q(**{f"{path}__isnull": True}) if owner is None else Q(**{path: owner})


def forget_prompts() -> None:
    """Drop this process's answers; called when a prompt changes here."""
    with _kept.lock:
        _kept.owners_until = -1.0
        _kept.layers.clear()
        _kept.changes += 1


def choose(name: str, *, subject: str = "") -> Chosen:
    """Return the wording that holds for a subject in the workspace in scope.

    Args:
        name: The prompt's name.
        subject: Whom or what a running experiment counts; without one there is no experiment.

    Raises:
        PromptNotFound: There is no such prompt.
    """
    experiment_id, arm = None, ""
    for layer in _layers():
        entry = layer.get(name)
        if entry is None:
            continue
        wording = entry.wording
        if entry.trial is not None and subject and not arm:
            trial = entry.trial
            experiment_id = trial.experiment_id
            arm = arm_of(experiment_id=experiment_id, subject=subject, share=trial.share)
            wording = trial.b if arm == ARM_B else trial.a
            assert arm in {ARM_A, ARM_B}
        if wording is not None:
            return Chosen(wording=wording, experiment_id=experiment_id, arm=arm)
    return Chosen(wording=shipped_wording(name), experiment_id=experiment_id, arm=arm)


def below_workspace(name: str) -> Wording:
    """Return what holds for workspaces that have nothing of their own.

    Raises:
        PromptNotFound: There is no such prompt.
    """
    with scope.tenant_scope(None):
        return choose(name).wording


def shipped_wording(name: str) -> Wording:
    """Return a prompt as it ships with Karen.

    Raises:
        PromptNotFound: None of this name does.
    """
    spec = registry.find_prompt_spec(name)
    if spec is None:
        raise PromptNotFound
    return Wording(spec=spec, number=0, origin=Origin.SHIPPED)


def wording_of(name: str, version: PromptVersion, *, workspace: bool) -> Wording | None:
    """Return what a version says, or None where the prompt's callers have moved on since."""
    raw = {
        "messages": version.messages,
        "variables": version.variables,
        "role": version.role,
        "think_first": version.think_first,
        "examples": version.examples,
        "examples_k": version.examples_k,
        "output_schema": version.output_schema,
    }
    try:
        spec = spec_from(raw, name=name, shipped=registry.find_prompt_spec(name))
    except DraftFault as fault:
        logger.warning(
            "prompt.version_outdated", prompt=name, version=version.number, reason=str(fault)
        )
        return None
    origin = Origin.WORKSPACE if workspace else Origin.PLATFORM
    return Wording(spec=spec, number=version.number, origin=origin)


def _layers() -> list[_Layer]:
    """Return the layers that hold in scope, the strongest first."""
    moment = time.monotonic()
    owners = _kept.owners if _kept.owners_until > moment else _asked_owners(moment)
    tenant = scope.current()
    wanted = [None] if tenant is None else [tenant.id, None]
    return [_layer(owner, moment) for owner in wanted if owner in owners]


def _asked_owners(moment: float) -> frozenset[UUID | None]:
    changes = _kept.changes
    try:
        owners = frozenset(_in_force().order_by().values_list("tenant_id", flat=True).distinct())
    except DatabaseError:
        # An answer that is being written outlives a database that is away for moments.
        if _kept.owners_until < 0:
            raise
        logger.warning("prompt.database_unavailable")
        return _kept.owners
    with _kept.lock:
        if changes == _kept.changes:
            _kept.owners, _kept.owners_until = owners, moment + _KEPT_S
    return owners


def _layer(owner: UUID | None, moment: float) -> _Layer:
    entry = _kept.layers.get(owner)
    if entry is not None and entry[0] > moment:
        return entry[1]
    changes = _kept.changes
    try:
        layer = _asked_layer(owner)
    except DatabaseError:
        if entry is None:
            raise
        logger.warning("prompt.database_unavailable")
        return entry[1]
    with _kept.lock:
        if changes == _kept.changes:
            _kept.layers[owner] = (moment + _KEPT_S, layer)
            _kept.layers.move_to_end(owner)
            while len(_kept.layers) > _WORKSPACES_MAX:
                _kept.layers.popitem(last=False)
    return layer


def _in_force() -> QuerySet[Prompt]:
    running = PromptExperiment.objects.filter(prompt=OuterRef("pk"), state=RUNNING)
    return Prompt.objects.filter(Q(active__isnull=False) | Exists(running))


def _asked_layer(owner: UUID | None) -> _Layer:
    rows = list(_in_force().filter(of_owner(owner)).select_related("active"))
    running = PromptExperiment.objects.filter(prompt__in=rows, state=RUNNING)
    trials = {row.prompt_id: row for row in running.select_related("arm_a", "arm_b")}
    return {row.name: _entry(row, trials.get(row.pk)) for row in rows}


def _entry(row: Prompt, experiment: PromptExperiment | None) -> _Entry:
    workspace = row.tenant_id is not None

    def worded(version: PromptVersion | None) -> Wording | None:
        return None if version is None else wording_of(row.name, version, workspace=workspace)

    trial = None
    if experiment is not None:
        b = worded(experiment.arm_b)
        if b is not None:
            trial = _Trial(
                experiment_id=experiment.pk,
                share=experiment.share,
                a=worded(experiment.arm_a),
                b=b,
            )
    return _Entry(wording=worded(row.active), trial=trial)
