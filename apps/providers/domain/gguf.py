"""Reads the header of a GGUF model file: what it is and how long its context may be. Pure.

Only the few keys Karen needs; the file itself is untrusted here, so every length is bounded and
anything unexpected is a `GgufError`.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = b"GGUF"
_MAX_KEYS = 4096
_MAX_TEXT_BYTES = 4 * 1024 * 1024
_MAX_ITEMS = 4_000_000
_TEXT, _ARRAY = 8, 9
_LENGTH_END = ".context_length"  # not a key of any file: what was found so far suffices
# Value type number -> struct code of the fixed-size types.
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip


class GgufError(ValueError):
    """The bytes are not a GGUF header of a known version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """What the header says about a model.

    Attributes:
        architecture: Family such as `llama`.
        name: The maker's name for it; may be empty.
        context_tokens: Longest context it was trained on; 0 when not told.
        kind: `model`, or `adapter` for LoRA files; may be empty.
        size_label: The maker's word for its size, such as `135M`; may be empty.
        license: The maker's words; may be empty.
        layers: Blocks of the model; 0 when not told.
        cache_values: Numbers that one token leaves in the cache, over all layers; 0 when unknown.
    """

    architecture: str
    name: str
    context_tokens: int
    kind: str = ""
    size_label: str = ""
    license: str = ""
    layers: int = 0
    cache_values: int = 0

    def cache_bytes(self, tokens: int) -> int:
        """Return the bytes that `tokens` take in the cache, at two bytes a number."""
        return 2 * self.cache_values * tokens


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) != count:
            raise GgufError("the header ends too early")
        return data

    def number(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(f"<{code}", self.take(struct.calcsize(code)))[0]
        return value

    def count(self, code: str, most: int) -> int:
        value = int(self.number(code))
        if value > most:
            raise GgufError("a length in the header is implausible")
        return value

    def text(self) -> bytes:
        return self.take(self.count("Q", _MAX_TEXT_BYTES))

    def value(self, kind: int) -> object:
        if kind == _TEXT:
            return self.text().decode("utf-8", "replace")
        if kind == _ARRAY:
            self._skip_array()
            return None
        if kind not in _SCALARS:
            raise GgufError("unknown type of a value")
        return self.number(_SCALARS[kind])

    def _skip_array(self) -> None:
        kind = self.count("I", 16)
        items = self.count("Q", _MAX_ITEMS)
        if kind == _TEXT:
            for _ in range(items):
                self.text()
        elif kind in _SCALARS:
            self._file.seek(items * struct.calcsize(_SCALARS[kind]), 1)
        else:
            raise GgufError("unknown type of an array")


def read_header(file: BinaryIO) -> GgufHeader:
    """Read the header from a file opened in binary mode at its beginning.

    Raises:
        GgufError: It is not a GGUF file of version 2 or 3.
    """
    reader = _Reader(file)
    if reader.take(4) != _MAGIC or reader.number("I") not in {2, 3}:
        raise GgufError("not a GGUF file of version 2 or 3")
    reader.number("Q")  # number of tensors
    found: dict[str, object] = {}
    for _ in range(reader.count("Q", _MAX_KEYS)):
        key = reader.text().decode("utf-8", "replace")
        found[key] = reader.value(reader.count("I", 16))
        if _LENGTH_END in found and key.startswith("tokenizer."):
            break  # the vocabulary follows: a hundred thousand texts that nobody needs here
        if key.endswith(".context_length"):
            found[_LENGTH_END] = True
    return _header(found)


def _header(found: dict[str, object]) -> GgufHeader:
    architecture = str(found.get("general.architecture", ""))

    def number(key: str) -> int:
        value = found.get(f"{architecture}.{key}", 0)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    heads = number("attention.head_count")
    width = number("embedding_length") // heads if heads else 0
    # A list of counts, one a layer, is not read: the number of all heads is then the safe guess.
    kept = number("attention.head_count_kv") or heads
    lengths = (number(f"attention.{part}_length") or width for part in ("key", "value"))
    return GgufHeader(
        architecture=architecture,
        name=str(found.get("general.name", "")),
        context_tokens=number("context_length"),
        kind=str(found.get("general.type", "")),
        size_label=str(found.get("general.size_label", "")),
        license=str(found.get("general.license", "")),
        layers=number("block_count"),
        cache_values=number("block_count") * kept * sum(lengths),
    )
