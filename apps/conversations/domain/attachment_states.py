"""The life of an attachment and the kinds of files there are. Pure."""

from enum import StrEnum


class AttachmentState(StrEnum):
    """Where an attachment is on its way; `ready` and `refused` are final."""

    UPLOADED = "uploaded"
    SCANNING = "scanning"
    EXTRACTING = "extracting"
    READY = "ready"
    REFUSED = "refused"


class AttachmentKind(StrEnum):
    """What sort of file it is, by its content."""

    TEXT = "text"
    DOCUMENT = "document"
    TABLE = "table"
    IMAGE = "image"
    AUDIO = "audio"
    ARCHIVE = "archive"


UNFINISHED = frozenset(
    {AttachmentState.UPLOADED, AttachmentState.SCANNING, AttachmentState.EXTRACTING}
)

# A worker that died is made up for this often; so is a scanner that is away.
MAX_ATTEMPTS = 5
