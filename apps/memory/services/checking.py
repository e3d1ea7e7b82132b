"""What a memory's text must be, whoever writes it."""

from apps.core.errors import InvalidInput
from apps.memory.contracts import TEXT_MAX
from apps.memory.domain.texts import cleaned, content_hash
from apps.memory.errors import MemoryHoldsSecret
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
