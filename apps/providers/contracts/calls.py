"""Why and on whose behalf a model is called, and which kinds of choices there are."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from uuid import UUID


class Flow(StrEnum):
    """Why a model is called. Metrics, ledger and traces group by it, so it has no default."""

    CHAT_ANSWER = "chat.answer"
    CHAT_SUMMARY = "chat.summary"
    CHAT_TITLE = "chat.title"
    API_ANSWER = "api.answer"
    API_EMBEDDING = "api.embedding"
    ATTACHMENT_SUMMARY = "attachment.summary"
    EMBED_TEXT = "embed.text"
    MEMORY_EXTRACTION = "memory.extraction"
    MEMORY_CONSOLIDATION = "memory.consolidation"
    HEALTH_PROBE = "health.probe"
    PROMPT_EVALUATION = "prompt.evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """On whose behalf and for what a model is called; budgets and the ledger go by it.

    Attributes:
        user_id: The person who pays with an allowance; None for the workspace itself.
        key_id: The API key that was presented, if one was.
        turn_id: The turn that the call is part of, if it is.
        attempt: The attempt at that turn.
        step: Counts the calls of one attempt from 0.
        is_sensitive: Marked by a person, or found to be so: it goes to trusted models only.
    """

    user_id: UUID | None = None
    key_id: UUID | None = None
    turn_id: UUID | None = None
    attempt: int | None = None
    step: int = 0
    is_sensitive: bool = False


NOBODY = Origin()


INTERACTIVE = frozenset({Flow.CHAT_ANSWER, Flow.API_ANSWER})  # somebody waits for a word


class Cause(StrEnum):
    """Why another model is asked; each has its own list of fallbacks."""

    FAILURE = "failure"
    CONTEXT = "context"
    REFUSAL = "refusal"


class Level(IntEnum):
    """Where a candidate comes from; a lower level is tried first."""

    CHOSEN = 1  # asked for, or named by the policy
    FALLBACK = 2  # the policy's list for this cause
    CAPABLE = 3  # whatever else is set up and able
    LOCAL = 4  # a model of our own, which needs nobody
    SCRIPTED = 5  # plays an answer; only where there is nothing else
