"""Names of files as people may see and save them. Pure."""

import re
import unicodedata

NAME_BYTES = 200
_FALLBACK = "file"
_SEPARATORS = re.compile(r"[\\/]+")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
# Names that Windows takes for devices, with any extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
# Controls, surrogates, private use, and the format characters that reorder or hide letters.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe_name(offered: str) -> str:
    """Return `offered` as a file name that is harmless everywhere: never empty, no path.

    Letters of all scripts stay; what could lead elsewhere, hide the extension (right-to-left
    overrides) or break a header goes. At most `NAME_BYTES` bytes of UTF-8, extension kept.
    """
    text = unicodedata.normalize("NFC", offered)
    text = _SEPARATORS.split(text.rstrip("\\/"))[-1]
    text = "".join(" " if c.isspace() else c for c in text)
    text = "".join(c for c in text if unicodedata.category(c) not in _UNPRINTABLE)
    text = _FORBIDDEN.sub("_", text)
    text = " ".join(text.split()).strip(" .")
    if not text:
        return _FALLBACK
    if _DEVICES.fullmatch(text):
        text = f"_{text}"
    return _shortened(text)


def extension(name: str) -> str:
    """Return the lower-case extension of `name` without its dot; empty when there is none."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem and len(last) <= 16 else ""


def _shortened(name: str) -> str:
    if len(name.encode()) <= NAME_BYTES:
        return name
    end = extension(name)
    tail = f".{end}" if end else ""
    room = NAME_BYTES - len(tail.encode())
    stem = name[: len(name) - len(tail)].encode()[:room].decode(errors="ignore")
    return f"{stem.rstrip(' .') or _FALLBACK}{tail}"
