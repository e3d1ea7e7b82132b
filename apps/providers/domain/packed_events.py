"""Events of an answer as plain lists, for whatever carries or keeps them outside this process."""

from typing import Any, TypeAlias

import msgspec

from apps.providers.contracts import (
    Finished,
    FinishReason,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)

# A list that begins with the event's kind.
Packed: TypeAlias = list[Any]


class UnknownEvent(ValueError):
    """It was packed by another release."""


def packed(event: ProviderEvent) -> Packed:
    """Return an event as a list of plain values."""
    match event:
        case TextDelta(text=text):
            return ["text", text]
        case ReasoningDelta(text=text):
            return ["thought", text]
        case ToolCall(id=id_, name=name, arguments=arguments):
            return ["tool", id_, name, arguments]
        case UsageReport(usage=usage):
            return ["usage", msgspec.to_builtins(usage)]
        case Finished(reason=reason):
            return ["finished", reason.value]


def unpacked(values: Packed) -> ProviderEvent:
    """Return the event that `packed` was given.

    Raises:
        UnknownEvent: It is not of this release.
    """
    match values:
        case ["text", text]:
            return TextDelta(text=text)
        case ["thought", text]:
            return ReasoningDelta(text=text)
        case ["tool", id_, name, arguments]:
            return ToolCall(id=id_, name=name, arguments=arguments)
        case ["usage", usage]:
            return UsageReport(usage=msgspec.convert(usage, Usage))
        case ["finished", reason]:
            return Finished(reason=FinishReason(reason))
        case _:
            raise UnknownEvent(values[:1])
