"""The little language that scripts the `echo` provider. Pure.

The script is the last user message. Lines that begin with `!` are directions, carried out in
order; every other line is text, echoed word by word:

| line | effect |
|---|---|
| `!delay 0.05` | wait this many seconds before each of the following pieces (0 to 60) |
| `!wait 2` | wait once, now |
| `!tokens 200` | emit this many numbered words (`word1 word2 …`; at most 100,000) |
| `!think Hmm…` | emit the rest of the line as reasoning |
| `!tool name {"a": 1}` | ask for a tool; several lines ask for several at once |
| `!then` | what follows is said after the results of the tools above have come |
| `!see` | name the images of the message |
| `!error unavailable` | fail: `unavailable`, `timeout`, `rejected`, `context`, `misconfigured` |
| `!cut` | end the stream without saying that it is finished |
| `!finish length` | finish for this reason: `stop`, `length`, `content_filter` |

Anything else after `!` is ordinary text, so that people can still write "!important".
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

MAX_TOKENS = 100_000
MAX_WAIT_S = 60.0

_PIECE = re.compile(r"\S+\s*|\s+")
_TOOL = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,64})\s*(?P<arguments>\{.*\})?\s*\Z", re.DOTALL)


class Failure(StrEnum):
    """How a scripted call fails."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    CONTEXT = "context"
    MISCONFIGURED = "misconfigured"


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait `seconds` before each following piece."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait `seconds` once."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Words:
    """Emit these pieces one by one."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbered:
    """Emit `count` numbered words."""

    count: int


@dataclass(frozen=True, slots=True)
class Think:
    """Emit reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class AskTool:
    """Ask for a tool; `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Then:
    """The next round begins here: after the results of the tools before."""


@dataclass(frozen=True, slots=True)
class See:
    """Name the images of the message."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise the error of this kind."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Cut:
    """End without a finish."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Finish for `reason`."""

    reason: str


Step: TypeAlias = (
    Delay | Wait | Words | Numbered | Think | AskTool | Then | See | Fail | Cut | Finish
)


_BARE: dict[str, Step] = {"cut": Cut(), "then": Then(), "see": See()}


def _number(text: str, most: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= most else None


def _timing(verb: str, rest: str) -> Step | None:
    seconds = _number(rest, MAX_WAIT_S)
    if seconds is None:
        return None
    return Delay(seconds) if verb == "delay" else Wait(seconds)


def _direction(line: str) -> Step | None:
    verb, _, rest = line[1:].partition(" ")
    rest = rest.strip()
    step: Step | None = None
    if verb in {"delay", "wait"}:
        step = _timing(verb, rest)
    elif verb == "tokens" and rest.isdecimal() and len(rest) < 9:
        step = Numbered(min(int(rest), MAX_TOKENS))
    elif verb == "think" and rest:
        step = Think(rest)
    elif verb == "tool" and (match := _TOOL.match(rest)):
        step = AskTool(match["name"], match["arguments"] or "{}")
    elif verb == "error" and rest in set(Failure):
        step = Fail(Failure(rest))
    elif verb in _BARE and not rest:
        step = _BARE[verb]
    elif verb == "finish" and rest in {"stop", "length", "content_filter"}:
        step = Finish(rest)
    return step


def pieces_of(text: str) -> tuple[str, ...]:
    """Split text into words that carry their trailing space; joined they are the text again."""
    return tuple(_PIECE.findall(text))


def parse_script(text: str) -> tuple[Step, ...]:
    """Return the steps of a script. Every text is a valid script."""
    steps: list[Step] = []
    words: list[str] = []

    def flush() -> None:
        if words:
            pieces = pieces_of("\n".join(words))
            if pieces:
                steps.append(Words(pieces))
            words.clear()

    for line in text.split("\n"):
        step = _direction(line.strip()) if line.startswith("!") else None
        if step is None:
            words.append(line)
        else:
            flush()
            steps.append(step)
    flush()
    return tuple(steps)


def rounds_of(steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], ...]:
    """Return the steps between `Then`s; at least one round."""
    rounds: list[list[Step]] = [[]]
    for step in steps:
        if isinstance(step, Then):
            rounds.append([])
        else:
            rounds[-1].append(step)
    return tuple(tuple(each) for each in rounds)
