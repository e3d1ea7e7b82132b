"""Envelope encryption of secrets and derivation of keys.

A secret is sealed with AES-256-GCM under its tenant's data key; the data key itself is wrapped by
the platform key from the environment. The additional data (`tenant|table|column|row`) pins a
sealed value to its place, so a row copied elsewhere does not open. Deleting a wrapped data key
makes everything sealed with it unreadable.
"""

import base64
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"\x01"  # first byte of every sealed value, so that the scheme can change later


class UnsealError(Exception):
    """A sealed value does not open: wrong key, wrong place or altered bytes."""


def _platform_key() -> bytes:
    key = base64.urlsafe_b64decode(settings.PLATFORM_KEY)
    if len(key) != _KEY_BYTES:
        raise UnsealError("PLATFORM_KEY must be 32 bytes, base64url")
    return key


def seal(plaintext: bytes, *, key: bytes, place: str) -> bytes:
    """Encrypt `plaintext` under a 32-byte `key`, bound to `place`."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, plaintext, place.encode())


def unseal(sealed: bytes, *, key: bytes, place: str) -> bytes:
    """Decrypt what `seal` returned for the same `key` and `place`.

    Raises:
        UnsealError: Wrong key, wrong place, or altered bytes.
    """
    if sealed[:1] != _FORMAT:
        raise UnsealError("unknown format of a sealed value")
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, place.encode())
    except (InvalidTag, ValueError) as error:
        raise UnsealError("a sealed value does not open") from error


def new_wrapped_data_key(tenant_id: UUID) -> bytes:
    """Create a tenant's data key and return it wrapped by the platform key."""
    return seal(os.urandom(_KEY_BYTES), key=_platform_key(), place=f"data-key|{tenant_id}")


def unwrap_data_key(wrapped: bytes, *, tenant_id: UUID) -> bytes:
    """Return the 32-byte data key inside `wrapped`.

    Raises:
        UnsealError: The platform key changed or the bytes were altered.
    """
    return unseal(wrapped, key=_platform_key(), place=f"data-key|{tenant_id}")


def derive_key(purpose: str, *, tenant_id: UUID | None) -> bytes:
    """Derive a 32-byte key for one purpose in one tenant (HKDF-SHA256, RFC 5869)."""
    owner = tenant_id.hex if tenant_id else "platform"
    info = f"karen|{purpose}|{owner}".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(_platform_key())
