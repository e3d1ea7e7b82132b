"""What crosses the border of attachments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.conversations.domain.attachment_states import AttachmentKind, AttachmentState
from apps.core.envelope import ErrorBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth knowing about a file that is no error; `code` is stable."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentView:
    """An attachment as whoever may see it sees it; `size` in bytes."""

    id: UUID
    name: str
    media_type: str
    kind: AttachmentKind
    size: int
    state: AttachmentState
    problem: ErrorBody | None
    notes: tuple[Note, ...]
    meta: Mapping[str, Any]
    summary: str
    text_characters: int
    has_thumbnail: bool
    conversation_id: UUID | None
    message_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """The receipt of an upload; `created` is false for a repeat."""

    view: AttachmentView
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentContent:
    """What a model gets to see of one attachment.

    Attributes:
        text: What was read from it, or the part that fits the budget; empty for pictures.
        truncated: Whether `text` is less than what was read.
        summary: Of the whole text, where one was made.
        image: Bytes of a picture, only when pictures were asked for.
        image_type: `image/jpeg` or `image/png`.
        remark: One sentence for the model where the content is missing: not ready, refused.
    """

    message_id: UUID
    attachment_id: UUID
    name: str
    media_type: str
    kind: AttachmentKind
    state: AttachmentState
    text: str = ""
    truncated: bool = False
    summary: str = ""
    image: bytes | None = field(default=None, repr=False)
    image_type: str = ""
    remark: str = ""
