"""What a file is, by its first and last bytes. Pure; never raises, whatever the bytes are.

The client's claim is not asked. The name only decides between types that content cannot tell
apart: kinds of text. What is found here decides which reader gets the file; the reader then finds
out whether the rest keeps the promise.
"""

import codecs
import re
from dataclasses import dataclass

import puremagic

from apps.conversations.attachments.names import extension
from apps.conversations.domain.attachment_states import AttachmentKind

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024
UNKNOWN = "application/octet-stream"
EXECUTABLE = "application/x-executable"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OLE = "application/x-ole-storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """What was found.

    Attributes:
        media_type: As it will be served.
        kind: None when nothing here reads such files.
        executable: It is a program.
        mismatch: The name's extension belongs to another type.
    """

    media_type: str
    kind: AttachmentKind | None
    executable: bool = False
    mismatch: bool = False


_EXECUTABLES = (
    b"MZ",  # Windows
    b"\x7fELF",  # Linux, BSD
    b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",  # macOS
    b"\xca\xfe\xba\xbe",  # Java, universal macOS
    b"\x00asm",  # WebAssembly
    b"dex\n",  # Android
    b"L\x00\x00\x00\x01\x14\x02\x00",  # Windows shortcut
)  # fmt: skip

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_AUDIO = (
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_M4A_BRANDS = (b"M4A ", b"M4B ")
_EBML = b"\x1aE\xdf\xa3"

# Content of text files by extension: nothing in the bytes tells a shell script from prose.
_TEXT_TYPES = {
    "md": "text/markdown", "markdown": "text/markdown", "rst": "text/x-rst",
    "csv": "text/csv", "tsv": "text/tab-separated-values", "log": "text/plain",
    "json": "application/json", "jsonl": "application/x-ndjson", "ndjson": "application/x-ndjson",
    "xml": "application/xml", "svg": "application/xml", "html": "text/html", "htm": "text/html",
    "xhtml": "text/html", "txt": "text/plain", "text": "text/plain",
    "yaml": "application/yaml", "yml": "application/yaml", "toml": "application/toml",
}  # fmt: skip
LANGUAGES = {
    "py": "python", "js": "javascript", "mjs": "javascript", "ts": "typescript", "tsx": "tsx",
    "jsx": "jsx", "java": "java", "kt": "kotlin", "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp",
    "hpp": "cpp", "cs": "csharp", "go": "go", "rs": "rust", "rb": "ruby", "php": "php",
    "swift": "swift", "scala": "scala", "sh": "bash", "bash": "bash", "zsh": "zsh", "ps1":
    "powershell", "sql": "sql", "r": "r", "jl": "julia", "lua": "lua", "pl": "perl", "hs":
    "haskell", "ex": "elixir", "erl": "erlang", "clj": "clojure", "css": "css", "scss": "scss",
    "vue": "vue", "svelte": "svelte", "ini": "ini", "cfg": "ini", "conf": "ini", "tex": "latex",
    "dart": "dart", "m": "objectivec", "asm": "asm", "diff": "diff", "patch": "diff",
    "gradle": "groovy", "groovy": "groovy", "tf": "hcl", "proto": "protobuf", "graphql": "graphql",
    "ipynb": "json", "dockerfile": "dockerfile", "bat": "bat", "cmd": "bat", "vb": "vb",
}  # fmt: skip
_BINARY_EXTENSIONS = {
    "pdf": "application/pdf", "docx": DOCX, "xlsx": XLSX, "zip": "application/zip",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
    "webp": "image/webp", "bmp": "image/bmp", "tif": "image/tiff", "tiff": "image/tiff",
    "mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg",
    "oga": "audio/ogg", "opus": "audio/ogg", "m4a": "audio/mp4", "aac": "audio/aac",
}  # fmt: skip
_KINDS = {
    "application/pdf": AttachmentKind.DOCUMENT,
    DOCX: AttachmentKind.DOCUMENT,
    XLSX: AttachmentKind.TABLE,
    "application/zip": AttachmentKind.ARCHIVE,
    "text/csv": AttachmentKind.TABLE,
    "text/tab-separated-values": AttachmentKind.TABLE,
    "text/html": AttachmentKind.DOCUMENT,
}
# Control characters that no text file has: all but tab, line ends, form feed and escape.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_MARKUP = re.compile(r"\s*(?:<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)


def sniff(head: bytes, tail: bytes, name: str) -> Sniffed:
    """Return what a file is.

    Args:
        head: Its first bytes, at most `HEAD_BYTES`.
        tail: Its last bytes, at most `TAIL_BYTES`; the same for small files.
        name: Its sanitised name.
    """
    if is_executable(head):
        return Sniffed(media_type=EXECUTABLE, kind=None, executable=True)
    media_type = _binary_type(head, tail) or _text_type(head, extension(name))
    if media_type is None:
        return Sniffed(media_type=_named_by_puremagic(head), kind=None)
    return Sniffed(
        media_type=media_type, kind=kind_of(media_type), mismatch=_mismatch(media_type, name)
    )


def is_executable(head: bytes) -> bool:
    """Say whether bytes begin like a program."""
    return head.startswith(_EXECUTABLES)


def kind_of(media_type: str) -> AttachmentKind:
    """Return the kind of a media type that `sniff` found."""
    family = media_type.partition("/")[0]
    if family == "image":
        return AttachmentKind.IMAGE
    if family == "audio":
        return AttachmentKind.AUDIO
    return _KINDS.get(media_type, AttachmentKind.TEXT)


def language_of(name: str) -> str:
    """Return the programming language that a name's extension stands for, or nothing."""
    lowered = name.lower()
    return LANGUAGES.get(extension(name) or lowered, "")


def _binary_type(head: bytes, tail: bytes) -> str | None:
    # PDF readers accept up to a kilobyte before the header.
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _office_type(head, tail)
    for signature, media_type in (*_IMAGES, *_AUDIO):
        if head.startswith(signature):
            return media_type
    return _nested_type(head)


def _nested_type(head: bytes) -> str | None:
    """Judge formats whose type stands behind their size."""
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12])
    if head[:2] == b"BM" and len(head) > 26 and head[6:10] == b"\x00\x00\x00\x00":
        return "image/bmp"
    if head[4:8] == b"ftyp" and head[8:12] in _M4A_BRANDS:
        return "audio/mp4"
    if head.startswith(_EBML) and b"webm" in head[:64] and b"V_" not in head[:4096]:
        return "audio/webm"
    return None


def _office_type(head: bytes, tail: bytes) -> str:
    # Names stand uncompressed in the central directory, which ends the file.
    names = head + tail
    if b"word/document.xml" in names:
        return DOCX
    if b"xl/workbook.xml" in names:
        return XLSX
    return "application/zip"


def _text_type(head: bytes, ending: str) -> str | None:
    start = decoded_start(head)
    if start is None:
        return None
    if _MARKUP.match(start):
        return "text/html"
    if start.lstrip().startswith("<?xml"):
        return "text/html" if ending == "xhtml" else "application/xml"
    wanted = _TEXT_TYPES.get(ending)
    if wanted == "application/json" and start.lstrip()[:1] not in {"{", "["}:
        return "text/plain"
    if wanted in {"application/xml", "text/html"} and not start.lstrip().startswith("<"):
        return "text/plain"
    return wanted or "text/plain"


def decoded_start(head: bytes) -> str | None:
    """Return the beginning of a text, or None when bytes are not text in any encoding we read."""
    encoding = encoding_of(head)
    if encoding is None:
        return None
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    return decoder.decode(head)[:4096]


def encoding_of(head: bytes, *, complete: bool = False) -> str | None:
    """Return the encoding of a text, or None when it is no text.

    Byte order marks decide first, then UTF-8, UTF-16 by its many zero bytes, and cp1252 or latin-1
    where no control characters speak against text.

    Args:
        head: The beginning of the file.
        complete: Whether that is all of it; otherwise its last character may be cut.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return encoding if _mostly_decodes(head, encoding) else None
    if _CONTROLS.search(head) is None:
        return next(e for e in ("utf-8", "cp1252", "latin-1") if _decodes(head, e, complete))
    return _utf16_without_mark(head, complete)


def _decodes(head: bytes, encoding: str, complete: bool) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        decoder.decode(head, complete)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_decodes(head: bytes, encoding: str) -> bool:
    """Say whether what claims an encoding by its mark has it, apart from a few slips."""
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    return text.count("\ufffd") <= 1 + len(text) // 100


def _utf16_without_mark(head: bytes, complete: bool) -> str | None:
    sample = head[:4096]
    half = max(len(sample) // 2, 1)
    for encoding, zeros, others in (
        ("utf-16-le", sample[1::2], sample[0::2]),
        ("utf-16-be", sample[0::2], sample[1::2]),
    ):
        plausible = zeros.count(0) > 0.6 * half and others.count(0) == 0
        if plausible and _decodes(head, encoding, complete):
            return encoding
    return None


def _mismatch(media_type: str, name: str) -> bool:
    ending = extension(name)
    promised = _BINARY_EXTENSIONS.get(ending)
    if promised is not None:
        return promised != media_type
    if ending in _TEXT_TYPES or ending in LANGUAGES:
        return media_type in _BINARY_EXTENSIONS.values()
    return False


def _named_by_puremagic(head: bytes) -> str:
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return OLE
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError, LookupError):
        return UNKNOWN
    named = (match.mime_type for match in found if match.mime_type)
    # What it takes for text was found to be none.
    return next((name for name in named if not name.startswith("text/")), UNKNOWN)[:100]
