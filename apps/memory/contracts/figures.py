"""How much a workspace's memory holds, for operators: counts, never what is remembered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.memory.contracts.memories import MemoryStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFigures:
    """A workspace's memory in numbers.

    Attributes:
        subjects: Whose memory there is: people, conversations, the workspace.
        memories: By state.
        said: Messages that are kept word for word.
        memories_waiting: Live memories without a vector.
        said_waiting: Messages without one.
        size_bytes: Tables and indexes on disk.
        consolidated_at: When consolidation changed something last.
        held: Memories that a consolidation holds now.
        held_by_nobody: Those whose consolidation died, until the sweep gives them back.
    """

    subjects: int
    memories: Mapping[MemoryStatus, int]
    said: int
    memories_waiting: int
    said_waiting: int
    size_bytes: int
    consolidated_at: datetime | None
    held: int
    held_by_nobody: int

    @property
    def live(self) -> int:
        """Memories that recall finds."""
        return self._of(MemoryStatus.ACTIVE) + self._of(MemoryStatus.CONSOLIDATING)

    @property
    def put_aside(self) -> int:
        """Memories that are kept and not used."""
        return self._of(MemoryStatus.ARCHIVED) + self._of(MemoryStatus.EXPIRED)

    @property
    def waiting(self) -> int:
        """What cannot be found by meaning yet."""
        return self.memories_waiting + self.said_waiting

    def _of(self, status: MemoryStatus) -> int:
        return self.memories.get(status, 0)
