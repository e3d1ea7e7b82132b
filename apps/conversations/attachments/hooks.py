"""What is done with each file, in order; others may add their own.

A hook looks at a `Work` and returns the `Changes` it wants; it writes nothing itself. It refuses a
file by raising a `KarenError` that is not retryable; a retryable one means "later".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from apps.conversations.attachments import clamav, notes
from apps.conversations.attachments.process import Reading, reading
from apps.conversations.attachments.storage import blob_store
from apps.conversations.domain.attachment_states import AttachmentKind, AttachmentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The file as it is when a hook begins."""

    attachment_id: UUID
    kind: AttachmentKind
    media_type: str
    name: str
    digest: str

    def open(self) -> BinaryIO:
        """Return the file opened for reading."""
        return blob_store().open(self.digest)


@dataclass(slots=True, kw_only=True)
class Changes:
    """What a hook found out.

    Attributes:
        media_type: A better one; None to keep it.
        text: What was read; None to keep it.
        meta: Facts to add.
        notes: Codes of remarks to add.
        files: Derived files to keep: purpose (`content`, `vision`, `thumbnail`) → path.
    """

    media_type: str | None = None
    text: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)


class HookRun(Protocol):
    """The body of a hook: a context manager, whose derived files live as long as the block."""

    def __call__(self, work: Work) -> "Any":  # noqa: ANN401  # a generator-based context manager
        """Run over `work`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One step.

    Attributes:
        name: Label of metrics and logs.
        state: What the attachment shows meanwhile.
        kinds: The kinds of files it is for; empty for all.
        run: Its body.
    """

    name: str
    state: AttachmentState
    run: HookRun
    kinds: frozenset[AttachmentKind] = frozenset()

    def wants(self, kind: AttachmentKind) -> bool:
        """Say whether it is for files of `kind`."""
        return not self.kinds or kind in self.kinds


Transcriber = Callable[[Work], str]
_transcribers: list[Transcriber] = []


def register_transcriber(transcriber: Transcriber) -> None:
    """Name what turns audio into text: the speech model's hook point."""
    _transcribers[:] = [transcriber]


def _found(read: Reading, *purposes: str) -> Changes:
    report = read.report
    derived = {purpose: read.derived(purpose) for purpose in purposes}
    return Changes(
        media_type=report.media_type or None,
        meta=report.meta,
        notes=report.notes,
        files={purpose: entry[0] for purpose, entry in derived.items() if entry},
    )


@contextmanager
def scan(work: Work) -> Iterator[Changes]:
    """Refuse malware, programs and archives that explode."""
    with work.open() as file:
        with reading("scan", file, media_type=work.media_type, name=work.name) as read:
            changes = _found(read)
        clamav.scan(file)
    yield changes


@contextmanager
def extract(work: Work) -> Iterator[Changes]:
    """Read the text and the facts; draw pictures anew."""
    with (
        work.open() as file,
        reading("extract", file, media_type=work.media_type, name=work.name) as read,
    ):
        changes = _found(read, "content", "vision")
        changes.text = read.report.text
        yield changes


@contextmanager
def thumbnail(work: Work) -> Iterator[Changes]:
    """Draw a small picture."""
    with (
        work.open() as file,
        reading("thumbnail", file, media_type=work.media_type, name=work.name) as read,
    ):
        yield _found(read, "thumbnail")


@contextmanager
def transcribe(work: Work) -> Iterator[Changes]:
    """Turn speech into text, where a speech model is configured; say so where none is."""
    if not _transcribers:
        yield Changes(notes=[notes.NOT_TRANSCRIBED])
        return
    yield Changes(text=_transcribers[0](work))


_hooks: list[Hook] = [
    Hook(name="scan", state=AttachmentState.SCANNING, run=scan),
    Hook(name="extract", state=AttachmentState.EXTRACTING, run=extract),
    Hook(
        name="thumbnail",
        state=AttachmentState.EXTRACTING,
        run=thumbnail,
        kinds=frozenset({AttachmentKind.IMAGE}),
    ),
    Hook(
        name="transcribe",
        state=AttachmentState.EXTRACTING,
        run=transcribe,
        kinds=frozenset({AttachmentKind.AUDIO}),
    ),
]


def register_hook(hook: Hook) -> None:
    """Add a step behind the present ones.

    Raises:
        ValueError: There is one of this name.
    """
    if any(known.name == hook.name for known in _hooks):
        raise ValueError(f"attachment hook {hook.name!r} exists already")
    _hooks.append(hook)


def hooks_for(kind: AttachmentKind) -> tuple[Hook, ...]:
    """Return the steps for files of `kind`, in order."""
    return tuple(hook for hook in _hooks if hook.wants(kind))
