"""Models whose name is their latency profile: `ttft=300,itl=20,len=400,tools=2`. Pure.

Load and chaos tests say in the name of the model how it behaves, so nothing has to be configured:

| key | meaning | default | most |
|---|---|---|---|
| `ttft` | milliseconds before the first word, and before each tool call | 0 | 600,000 |
| `itl` | milliseconds from one word to the next | 0 | 60,000 |
| `len` | words of the answer | 50 | 100,000 |
| `tools` | tool calls before the answer, where tools are offered | 0 | 20 |

A semicolon separates as well, for lists of models that are themselves separated by commas. What is
said depends on the question only, so that a test knows the right answer beforehand: each word is
numbered, and its letters come from a digest of the question.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "stub/"

_MOST = {"ttft": 600_000, "itl": 60_000, "len": 100_000, "tools": 20}
_WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "glade", "heron", "islet", "juniper",
    "kelp", "larch", "moor", "night", "otter", "pearl", "quartz", "reed", "sable", "tide",
    "umber", "vale", "wharf", "xenon", "yarrow", "zephyr", "anchor", "beacon", "cairn", "dune",
    "estuary", "flint",
)  # fmt: skip


class BadProfile(ValueError):
    """A name is no profile; `key` is the part that is wrong."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class StubProfile:
    """How a stub model behaves.

    Attributes:
        ttft_ms: Milliseconds before the first word, and before each tool call.
        itl_ms: Milliseconds from one word to the next.
        length: Words of the answer.
        tools: Tool calls before the answer.
    """

    ttft_ms: int = 0
    itl_ms: int = 0
    length: int = 50
    tools: int = 0

    def due_s(self, number: int) -> float:
        """Return the seconds from the question to word `number`, which counts from 0."""
        return (self.ttft_ms + number * self.itl_ms) / 1000


_FIELDS: Mapping[str, str] = {"ttft": "ttft_ms", "itl": "itl_ms", "len": "length", "tools": "tools"}


def parse_profile(name: str) -> StubProfile:
    """Return the profile that `name` spells, with or without the prefix `stub/`.

    Raises:
        BadProfile: A key is unknown or stands twice, or its number is missing or too large.
    """
    found: dict[str, int] = {}
    for part in name.removeprefix(PREFIX).replace(";", ",").split(","):
        key, equals, number = (each.strip() for each in part.partition("="))
        if key not in _MOST:
            raise BadProfile(key or name, f"unknown; the keys are {', '.join(_MOST)}")
        if _FIELDS[key] in found:
            raise BadProfile(key, "stands twice")
        if not equals or not number.isascii() or not number.isdecimal():
            raise BadProfile(key, "needs a whole number, such as " + key + "=20")
        if len(number) > 7 or int(number) > _MOST[key]:
            raise BadProfile(key, f"may be {_MOST[key]} at most")
        found[_FIELDS[key]] = int(number)
    return StubProfile(**found)


def looks_like_profile(name: str) -> bool:
    """Say whether `name` is meant as a profile, right or wrong."""
    return name.startswith(PREFIX) or "=" in name


def words(question: str, count: int) -> Iterator[str]:
    """Yield the words that answer `question`, each with the space after it."""
    digest = sha256(question.encode()).digest()
    for number in range(count):
        letter = digest[number % len(digest)] ^ (number // len(digest)) & 0xFF
        yield f"{_WORDS[letter % len(_WORDS)]}{number + 1} "


def answer(question: str, count: int) -> str:
    """Return the whole text that answers `question` in `count` words."""
    return "".join(words(question, count))
