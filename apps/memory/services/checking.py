"""What holds for each memory, whoever writes it: its text, that it is said once, the record."""

from apps.audit import services as audit
from apps.core.errors import InvalidInput
from apps.memory.contracts import TEXT_MAX
from apps.memory.domain.texts import cleaned, content_hash
from apps.memory.errors import MemoryExists, MemoryHoldsSecret
from apps.memory.models import Memory
from apps.memory.models.memories import LIVE
from apps.memory.secrets import secret_in


def checked_text(text: str) -> dict[str, str]:
    """Return the fields that a memory has for a text: the text as it is kept, and its hash.

    Raises:
        InvalidInput: The text is empty or too long.
        MemoryHoldsSecret: It holds a card number, a key or a password.
    """
    kept = cleaned(text)
    if not kept:
        raise InvalidInput(fields={"text": ["Say what to remember."]})
    if len(kept) > TEXT_MAX:
        raise InvalidInput(fields={"text": [f"At most {TEXT_MAX} characters."]})
    secret = secret_in(kept)
    if secret:
        raise MemoryHoldsSecret(secret)
    return {"text": kept, "content_hash": content_hash(kept)}


def require_single(memory: Memory) -> None:
    """Refuse what would say what another live memory says; the subject is locked.

    Raises:
        MemoryExists: There is one.
    """
    if has_twin(memory):
        raise MemoryExists


def has_twin(memory: Memory) -> bool:
    """Whether another live memory of the subject, which is locked, says exactly the same."""
    same = Memory.objects.filter(
        LIVE, subject_id=memory.subject_id, content_hash=memory.content_hash
    )
    return same.exclude(pk=memory.pk).exists()


def record_deed(action: str, memory: Memory, **data: object) -> None:
    """Write the audit entry; the text is content and stays out of it."""
    audit.record(
        action=action,
        target_type="memory",
        target_id=memory.pk,
        target_label=str(memory.pk),
        data=data or None,
    )
