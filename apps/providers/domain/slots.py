"""Which sequence of a local model answers a request, and what it may reuse. Pure.

A model's context has a few slots. Each remembers the tokens whose keys and values lie in its part
of the cache and the partition they belong to. A request continues a slot of its own partition if
there is one; otherwise it takes the one unused for longest and everything in it is forgotten.
Nothing is ever reused across partitions: they separate tenants and conversations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Slot:
    """One sequence of the context.

    Attributes:
        index: Sequence id in the engine.
        partition: Whose tokens it holds; empty when it holds none.
        tokens: The tokens in the cache, in order.
        busy: It is answering a request.
        used_at: Counter value of its last release.
    """

    index: int
    partition: str = ""
    tokens: list[int] = field(default_factory=list)
    busy: bool = False
    used_at: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot given to a request, with the number of leading tokens that need no new work."""

    slot: Slot
    reused: int


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many leading items are equal."""
    length = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        length += 1
    return length


class SlotTable:
    """The slots of one context."""

    def __init__(self, count: int) -> None:
        self._slots = [Slot(index) for index in range(count)]
        self._clock = 0

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All slots, by index."""
        return tuple(self._slots)

    def claim(self, *, partition: str, prompt: Sequence[int]) -> Claim | None:
        """Give a free slot to a request, or None when all are busy.

        The last token of the prompt is always evaluated anew: its logits begin the answer.
        """
        free = [slot for slot in self._slots if not slot.busy]
        if not free:
            return None
        own = [slot for slot in free if slot.partition == partition and partition]
        slot, reused = None, 0
        for candidate in own:
            length = min(common_prefix(candidate.tokens, prompt), len(prompt) - 1)
            if slot is None or length > reused:
                slot, reused = candidate, length
        if slot is None:
            slot = min(free, key=lambda each: (bool(each.partition), each.used_at))
        slot.busy = True
        slot.partition = partition
        del slot.tokens[reused:]
        return Claim(slot, reused)

    def release(self, slot: Slot) -> None:
        """Free a slot; what it holds stays for the next request of the same partition."""
        self._clock += 1
        slot.busy = False
        slot.used_at = self._clock
