"""What people are told about a prompt and about how full a conversation is."""

from dataclasses import dataclass
from uuid import UUID

from apps.memory.contracts import RecalledKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextItem:
    """A candidate of a prompt and what became of it.

    Attributes:
        source: `system`, `question`, `prefix`, `continue`, or a `domain.packing.Source`.
        id: What it is, such as `message:…` or `memory:…`; empty for instructions.
        score: How relevant its source found it; None where that makes no sense.
        why: What its source says about it.
        preview: The beginning of its text, where the reader may see it and it still exists; of
            what is remembered, all of it.
        because: Why it was remembered, for people; empty for anything else.
        remembered: A memory, or something that was said; None for anything else.
        conversation_id: Where it was said, or learnt, where that is known.
    """

    source: str
    id: str
    hash: str
    tokens: int
    taken: bool
    reason: str
    score: float | None = None
    why: str = ""
    preview: str = ""
    because: str = ""
    remembered: RecalledKind | None = None
    conversation_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSource:
    """What was taken from one source and what was not; also of candidates that are not listed."""

    source: str
    taken: int
    taken_tokens: int
    cut: int
    cut_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnContext:
    """Why a turn's prompt was what it was.

    Attributes:
        known: False for a turn that has not been answered yet, or is older than explanations.
        exact: The model's own tokenizer counted.
        context_tokens: Most tokens of prompt and answer together.
        room_tokens: Tokens the prompt might have.
        used_tokens: Tokens it had.
        summary: A `SummaryState`.
        missing: What could not be asked, such as `memory: unavailable`.
        digest: SHA-256 over the roles and texts of the prompt.
    """

    turn_id: UUID
    known: bool
    model: str = ""
    tokenizer: str = ""
    exact: bool = False
    context_tokens: int = 0
    answer_tokens: int = 0
    room_tokens: int = 0
    used_tokens: int = 0
    summary: str = "none"
    missing: tuple[str, ...] = ()
    digest: str = ""
    sources: tuple[ContextSource, ...] = ()
    items: tuple[ContextItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """How full a conversation's context is, and what it consumed.

    Attributes:
        model: The model that the next message will be answered by; empty when there is none.
        context_tokens: What that model takes in; None when there is none.
        used_tokens: What the next prompt will have before the next message; None before the first
            answer.
        estimated: `used_tokens` was not counted by the model's own tokenizer.
        prompt_tokens_total: Tokens read by all turns that told.
        completion_tokens_total: Tokens written by all turns that told.
        cost: What it cost so far in US dollars, as a decimal text; None while no price is known,
            never 0 for that.
        unpriced_calls: Calls whose price nobody knows; not in `cost`.
        next_cost_low: What the next message costs with an empty answer, its own words not counted;
            None where the price or the size of the prompt is not known.
        next_cost_high: The same with the longest answer.
    """

    conversation_id: UUID
    model: str
    context_tokens: int | None
    used_tokens: int | None
    estimated: bool
    prompt_tokens_total: int
    completion_tokens_total: int
    cost: str | None = None
    unpriced_calls: int = 0
    next_cost_low: str | None = None
    next_cost_high: str | None = None
