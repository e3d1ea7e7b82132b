"""Who is known by which name."""

from uuid import UUID

from apps.memory.domain.slots import SELF
from apps.memory.models import Memory
from apps.memory.models.memories import LIVE

_NAME_SLOT = ".name"


def known_names(subject_id: UUID, speaker: str) -> dict[str, str]:
    """Return who is known by which name: `{"tom": "brother:tom", "brother": "brother:tom"}`."""
    prefix = f"{speaker.casefold()}/" if speaker else ""
    rows = Memory.objects.filter(
        LIVE, subject_id=subject_id, slot__startswith=prefix, slot__endswith=_NAME_SLOT
    ).values_list("slot", "value")
    known: dict[str, str] = {}
    of_relation: dict[str, list[str]] = {}
    for slot, value in rows:
        about = slot.removeprefix(prefix).removesuffix(_NAME_SLOT)
        if about == SELF or "/" in about:
            continue
        known[value] = about
        of_relation.setdefault(about.partition(":")[0], []).append(about)
    for relation, several in of_relation.items():
        if len(several) == 1:
            known[relation] = several[0]
    return known
