"""What edges show of prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.providers.domain.significance import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One version.

    Attributes:
        number: 0 for what stands below: the platform's, or what ships with Karen.
        wording: `messages`, `variables`, `role`, … as `drafts.json_of` writes them.
        outdated: The shipped wording has changed since this was written over it.
        usable: Its texts still fit what the prompt's callers give.
    """

    number: int
    wording: Mapping[str, Any]
    note: str
    author: str
    created_at: datetime | None
    active: bool
    outdated: bool
    usable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptView:
    """A prompt as it stands in one workspace, or on the platform.

    Attributes:
        origin: Who wrote what holds: `shipped`, `platform`, `workspace`.
        version: Number of the version that holds, within its origin.
        own_version: Number of this workspace's version in force; 0 for none.
        versions_made: How many versions this workspace has made.
        fragment: It is one text that goes into other prompts.
        shipped: It comes with Karen; otherwise the workspace made it.
        experiment_id: The experiment that runs here.
        wording: What holds.
    """

    name: str
    description: str
    origin: str
    version: int
    own_version: int
    versions_made: int
    fragment: bool
    shipped: bool
    outdated: bool
    experiment_id: UUID | None
    wording: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A rendered prompt with its size.

    Attributes:
        messages: `{"role": …, "text": …}`, private values redacted.
        tokens: What it costs to read; an estimate unless `exact`.
        context_tokens: What the model takes in, answer included.
    """

    name: str
    version: int
    messages: Sequence[Mapping[str, str]]
    model: str
    tokens: int
    exact: bool
    context_tokens: int
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSetView:
    """A set of cases."""

    id: UUID
    prompt: str
    name: str
    cases: Sequence[Mapping[str, Any]]
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRunView:
    """A trial; `results` grow while it runs."""

    id: UUID
    set_id: UUID
    prompt: str
    version: int
    model: str
    state: str
    cases: int
    passed: int
    failed: int
    results: Sequence[Mapping[str, Any]]
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentView:
    """An experiment with what it shows.

    Attributes:
        version_a: Number of the version that B is compared with; 0 for what stands below.
        n_a: Subjects with a pass or a failure in A.
        scored_a: Subjects with a score in A.
        passes: The shares of passes compared.
        scores: The scores compared; None where none were given.
    """

    id: UUID
    prompt: str
    version_a: int
    version_b: int
    share: int
    state: str
    n_a: int
    n_b: int
    passed_a: int
    passed_b: int
    scored_a: int
    scored_b: int
    passes: Comparison
    scores: Comparison | None
    created_at: datetime
    ended_at: datetime | None
