"""What is remembered, about whom, and what became of it."""

from apps.memory.models.changesets import Changeset, ChangesetEntry
from apps.memory.models.memories import (
    Entity,
    Evidence,
    Memory,
    MemoryVersion,
    Mention,
)
from apps.memory.models.policies import MemoryPolicy
from apps.memory.models.said import EMBEDDING_DIMENSIONS, Posting, Subject, Utterance

__all__ = [
    "EMBEDDING_DIMENSIONS",
    "Changeset",
    "ChangesetEntry",
    "Entity",
    "Evidence",
    "Memory",
    "MemoryPolicy",
    "MemoryVersion",
    "Mention",
    "Posting",
    "Subject",
    "Utterance",
]
