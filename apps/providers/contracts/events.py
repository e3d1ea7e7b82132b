"""What a model answers, piece by piece."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from apps.providers.contracts.requests import ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens consumed by one call.

    Attributes:
        prompt_tokens: Tokens read, cached ones included.
        completion_tokens: Tokens written, reasoning included.
        estimated: The provider did not report them.
        reasoning_tokens: Those of `completion_tokens` that went into reasoning.
        cached_tokens: Those of `prompt_tokens` that came from the provider's cache.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    reasoning_tokens: int = 0
    cached_tokens: int = 0


class FinishReason(StrEnum):
    """Why a stream ended by itself."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of the visible answer; never half a character."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """The next piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What the call consumed; at most one per stream."""

    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Always the last event. A stream that ends without it was cut."""

    reason: FinishReason


ProviderEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCall | UsageReport | Finished
