"""What changes memory."""

from apps.memory.services.changesets import apply_changeset
from apps.memory.services.consolidation import (
    consolidate,
    consolidate_workspace,
    consolidate_workspaces,
    preview_consolidation,
)
from apps.memory.services.embedding import EMBED_TASK, embed_waiting
from apps.memory.services.forgetting import forget_about, forget_all
from apps.memory.services.learning import Reading, absorb, keep_readings, learn, read_said
from apps.memory.services.memories import (
    forget,
    note_used,
    remember,
    update_memory,
)
from apps.memory.services.merging import merge_memories
from apps.memory.services.oversight import look_at_memories
from apps.memory.services.policies import change_memory_policy
from apps.memory.services.restoring import restore
from apps.memory.services.said import take_in, unsay
from apps.memory.services.sweeping import sweep_memories, sweep_workspaces
from apps.memory.services.undoing import undo_changeset
from apps.memory.services.unlearning import forget_messages
from apps.memory.services.vector_indexes import keep_vector_indexes

__all__ = [
    "EMBED_TASK",
    "Reading",
    "absorb",
    "apply_changeset",
    "change_memory_policy",
    "consolidate",
    "consolidate_workspace",
    "consolidate_workspaces",
    "embed_waiting",
    "forget",
    "forget_about",
    "forget_all",
    "forget_messages",
    "keep_readings",
    "keep_vector_indexes",
    "learn",
    "look_at_memories",
    "merge_memories",
    "note_used",
    "preview_consolidation",
    "read_said",
    "remember",
    "restore",
    "sweep_memories",
    "sweep_workspaces",
    "take_in",
    "undo_changeset",
    "unsay",
    "update_memory",
]
