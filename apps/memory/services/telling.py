"""Facts that people tell by hand: with slots and values, as what is learnt has them.

So a newer value takes an older one's place, whichever way each of them came.
"""

from datetime import UTC
from uuid import UUID

from apps.core.clock import now
from apps.memory.contracts import MemoryOrigin
from apps.memory.domain.extraction import Candidate, Setting
from apps.memory.domain.slots import Holds, Verdict, ended, plain_value
from apps.memory.domain.telling import told_fact
from apps.memory.domain.texts import content_hash
from apps.memory.domain.weighing import proven
from apps.memory.models import Evidence, Memory
from apps.memory.selectors.relations import known_names
from apps.memory.services.filling import current_of, fill, judged
from apps.memory.services.versions import keep_version

_LOST_MAX = 2  # words: "I", "is", "please"
_PROVEN = ("proof_count", "confidence", "origin")


def read_told(subject_id: UUID, text: str) -> Candidate | None:
    """Return the fact that a text tells of something that has one value at a time, if it does."""
    setting = Setting(
        said_on=now().astimezone(UTC).date(), known=known_names(subject_id, ""), names={}
    )
    return told_fact(text, setting)


def settle_told(memory: Memory, told: Candidate | None) -> tuple[Memory | None, Memory | None]:
    """Give a memory that was told its place among what is known; its subject is locked.

    Args:
        memory: New, not saved yet; gets its slot, value and validity.
        told: What it tells.

    Returns:
        What says exactly this already, and what gives way to it.
    """
    if told is None:
        return None, None
    moment = now()
    current = current_of(memory.subject_id, told.slot)
    verdict, holds = judged(told, current, moment)
    if verdict is Verdict.IGNORE:  # the end of what is not known: a note like any other
        return None, None
    known = current[0] if current is not None else None
    fill(memory, told, holds, known, said_at=moment)
    if known is None or verdict is Verdict.KEEP:
        return None, None
    if verdict is Verdict.PROVE:
        if content_hash(told.text) == known.content_hash and not _says_more(memory.text, told.text):
            return known, None
        memory.valid_from = known.valid_from  # in other words, perhaps with more in them
    return None, known


def _says_more(text: str, read: str) -> bool:
    """Say whether a text has words that what was read in it leaves out."""
    return len(text.split()) > len(read.split()) + _LOST_MAX


def prove_by_hand(memory: Memory, text: str) -> None:
    """Note that a person told what is known: it stays, whatever becomes of its messages."""
    if memory.evidence.filter(message_id=None, quote=text).exists():
        return
    keep_version(memory, _PROVEN, reason="told")
    Evidence.objects.create(memory=memory, quote=text)
    memory.proof_count += 1
    memory.confidence = proven(memory.confidence)
    memory.origin = MemoryOrigin.PERSON.value
    memory.updated_at = now()
    memory.save(update_fields=[*_PROVEN, "updated_at"])


def refilled(memory: Memory, text: str) -> dict[str, object]:
    """Return the slot and value of a memory whose text is changed by hand.

    What the rules cannot read keeps its slot with the words as its value: nothing proves it by
    accident, and a newer value takes its place.
    """
    told = read_told(memory.subject_id, text)
    if told is not None and told.holds is not Holds.PAST:
        value = ended(told.value) if told.holds is Holds.ENDED else told.value
        return {"slot": told.slot, "value": value}
    return {"slot": memory.slot, "value": plain_value(text) if memory.slot else ""}
