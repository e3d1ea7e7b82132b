"""Reading memories: the gate, lists, explanations; what fits a question is in `recall`."""

from apps.memory.selectors.changes import (
    changeset_view,
    count_tidied,
    explain_changeset,
    list_changesets,
    page_of_changesets,
    views_of_changesets,
)
from apps.memory.selectors.entities import entity_graph, find_entity, list_entities
from apps.memory.selectors.explaining import (
    explain_memory,
    list_recalled,
    memory_history,
    reason_in_words,
)
from apps.memory.selectors.figures import CONSOLIDATION_LEASE, memory_figures
from apps.memory.selectors.listing import (
    choose_memories,
    count_memories,
    get_memory,
    memories_by_id,
    page_of_memories,
    views_of,
)
from apps.memory.selectors.memories import (
    Sampled,
    access_memory,
    current_policy,
    get_memory_policy,
    list_memories,
    list_texts,
    memory_view,
    page_of_live_memories,
    policy_view,
    require_subject,
    sample_for_quality,
)
from apps.memory.selectors.portrait import list_portrait
from apps.memory.selectors.profile import read_profile

__all__ = [
    "CONSOLIDATION_LEASE",
    "Sampled",
    "access_memory",
    "changeset_view",
    "choose_memories",
    "count_memories",
    "count_tidied",
    "current_policy",
    "entity_graph",
    "explain_changeset",
    "explain_memory",
    "find_entity",
    "get_memory",
    "get_memory_policy",
    "list_changesets",
    "list_entities",
    "list_memories",
    "list_portrait",
    "list_recalled",
    "list_texts",
    "memories_by_id",
    "memory_figures",
    "memory_history",
    "memory_view",
    "page_of_changesets",
    "page_of_live_memories",
    "page_of_memories",
    "policy_view",
    "read_profile",
    "reason_in_words",
    "require_subject",
    "sample_for_quality",
    "views_of",
    "views_of_changesets",
]
