"""Writes GGUF files: a header with a few values, and tensors of zeros or given numbers."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

ALIGNMENT = 32
_F32 = 0
_TEXT, _U32, _FLOAT = 8, 4, 6


@dataclass(frozen=True)
class Tensor:
    """A tensor of 32-bit floats; `shape` as GGUF counts it, the fastest dimension first."""

    name: str
    shape: tuple[int, ...]
    values: bytes

    @classmethod
    def filled(cls, name: str, shape: tuple[int, ...], value: float) -> "Tensor":
        """Return one whose numbers are all `value`."""
        count = 1
        for each in shape:
            count *= each
        return cls(name, shape, struct.pack("<f", value) * count)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: str | int | float) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _TEXT) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", _U32, value)
    return struct.pack("<If", _FLOAT, value)


def gguf_file(values: Mapping[str, str | int | float], tensors: tuple[Tensor, ...] = ()) -> bytes:
    """Return the bytes of a GGUF file of version 3."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        head += _text(key) + _value(value)
    data = b""
    for tensor in tensors:
        head += _text(tensor.name) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
        head += struct.pack("<IQ", _F32, len(data))
        data += tensor.values + bytes(-len(tensor.values) % ALIGNMENT)
    if not tensors:
        return head
    return head + bytes(-len(head) % ALIGNMENT) + data
