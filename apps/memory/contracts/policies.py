"""What a workspace decides about the life of its memories."""

from dataclasses import dataclass
from enum import StrEnum

from apps.memory.contracts.memories import MemoryKind

DAYS_MIN, DAYS_MAX = 1, 36_500
MEMORIES_MIN, MEMORIES_MAX = 1, 10_000_000  # what a quota may be


class SecretsPolicy(StrEnum):
    """What happens to a secret in a text that is learnt."""

    REDACT = "redact"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """The policy of a workspace; as it is made, the one that holds where nobody decided.

    Attributes:
        learns: Memories are taken from conversations; off, only what people tell is kept.
        keeps_said: What was said is indexed word for word.
        secrets: What happens to a secret in a text that is learnt.
        semantic_half_life_days: After how many days without use a fact weighs half.
        episodic_half_life_days: The same for what happened.
        procedural_half_life_days: The same for how to do something.
        retention_days: After how many days what is neither pinned nor persistent is erased; None
            for never.
        said_retention_days: The same for what was said word for word.
        per_subject_max: Live memories of one subject.
        per_workspace_max: Live memories of the workspace.
    """

    learns: bool = True
    keeps_said: bool = True
    secrets: SecretsPolicy = SecretsPolicy.REDACT
    semantic_half_life_days: int = 365
    episodic_half_life_days: int = 60
    procedural_half_life_days: int = 730
    retention_days: int | None = None
    said_retention_days: int | None = None
    per_subject_max: int = 20_000
    per_workspace_max: int = 1_000_000

    def half_life_days(self, kind: MemoryKind) -> int:
        """Return after how many days without use a memory of this kind weighs half."""
        return {
            MemoryKind.SEMANTIC: self.semantic_half_life_days,
            MemoryKind.EPISODIC: self.episodic_half_life_days,
            MemoryKind.PROCEDURAL: self.procedural_half_life_days,
        }[kind]
