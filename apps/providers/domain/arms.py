"""Which version of a prompt a subject gets while two are compared. Pure."""

import hashlib
from uuid import UUID

ARM_A, ARM_B = "a", "b"
SUBJECT_CHARACTERS = 32


def arm_of(*, experiment_id: UUID, subject: str, share: int) -> str:
    """Return the arm of a subject: the same each time, in every process.

    Of many subjects `share` per cent get B. Raising the share moves subjects to B only.
    """
    digest = hashlib.blake2b(_bytes(subject), key=experiment_id.bytes, digest_size=8).digest()
    return ARM_B if int.from_bytes(digest) * 100 < share << 64 else ARM_A


def subject_key(*, experiment_id: UUID, subject: str) -> str:
    """Return what an outcome is kept under: equal for equal subjects, and no name of anybody."""
    return hashlib.blake2b(
        _bytes(subject), key=experiment_id.bytes, digest_size=SUBJECT_CHARACTERS // 2
    ).hexdigest()


def _bytes(subject: str) -> bytes:
    return subject.encode("utf-8", "surrogatepass")
