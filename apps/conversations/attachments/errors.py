"""What can go wrong with attachments, as clients see it."""

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class AttachmentNotFound(KarenError):
    """The file does not exist, or the actor may not see it."""

    code = "attachment_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This file does not exist, or it is not yours.")


class AttachmentMissing(KarenError):
    """The request carries no file, or more than one."""

    code = "attachment_missing"

    @override
    def message(self) -> str:
        """Say how to send one."""
        return _("Send exactly one file, as multipart/form-data in the field “file”.")


class AttachmentEmpty(KarenError):
    """The file has no content."""

    code = "attachment_empty"

    @override
    def message(self) -> str:
        """Say so."""
        return _("This file is empty. Choose one with content.")


class AttachmentTooLarge(KarenError):
    """The file has more than `limit_bytes` bytes; `kind` when the limit is that of a kind."""

    code = "attachment_too_large"
    status = 413
    public_fields = ("limit_bytes", "kind")

    def __init__(self, *, limit_bytes: int, kind: str | None = None) -> None:
        super().__init__(limit_bytes, kind)
        self.limit_bytes = limit_bytes
        self.kind = kind

    @override
    def message(self) -> str:
        """Name the limit."""
        return _("This file is too large: at most %(limit).1f MiB are accepted.") % {
            "limit": self.limit_bytes / 2**20
        }


class AttachmentQuotaExceeded(KarenError):
    """The person's stored files would exceed `limit_bytes`; `used_bytes` are taken."""

    code = "attachment_quota_exceeded"
    status = 413
    public_fields = ("limit_bytes", "used_bytes")

    def __init__(self, *, limit_bytes: int, used_bytes: int) -> None:
        super().__init__(limit_bytes, used_bytes)
        self.limit_bytes = limit_bytes
        self.used_bytes = used_bytes

    @override
    def message(self) -> str:
        """Name the limit and how to get below it."""
        return _(
            "Your files may take %(limit)d MiB and %(used)d MiB are used. Delete some first."
        ) % {"limit": self.limit_bytes // 2**20, "used": self.used_bytes // 2**20}


class AttachmentsTooMany(KarenError):
    """A message has more than `limit` files."""

    code = "attachments_too_many"
    status = 413
    public_fields = ("limit", "count")

    def __init__(self, *, limit: int, count: int) -> None:
        super().__init__(limit, count)
        self.limit = limit
        self.count = count

    @override
    def message(self) -> str:
        """Name the limit."""
        return _("%(count)d files are too many for one message: at most %(limit)d.") % {
            "count": self.count,
            "limit": self.limit,
        }


class AttachmentTypeRefused(KarenError):
    """Files of this type are not taken; `media_type` was found, `kinds` are accepted."""

    code = "attachment_type_refused"
    status = 415
    public_fields = ("media_type", "kinds")

    def __init__(self, *, media_type: str, kinds: tuple[str, ...] = ()) -> None:
        super().__init__(media_type)
        self.media_type = media_type
        self.kinds = list(kinds)

    @override
    def message(self) -> str:
        """Name what was found and what is accepted."""
        return _("The content of this file is %(found)s, which cannot be read here.") % {
            "found": self.media_type
        }


class AttachmentExecutable(KarenError):
    """The file is a program, or contains one; `member` names where."""

    code = "attachment_executable"
    status = 415
    public_fields = ("member",)

    def __init__(self, member: str | None = None) -> None:
        super().__init__(member)
        self.member = member or None

    @override
    def message(self) -> str:
        """Say so."""
        return _("Programs are not accepted, whatever the file is called.")


class AttachmentInfected(KarenError):
    """A scanner recognised malware; `signature` is its name, `member` where it was found."""

    code = "attachment_infected"
    status = 422
    public_fields = ("signature", "member")

    def __init__(self, *, signature: str, member: str | None = None) -> None:
        super().__init__(signature, member)
        self.signature = signature
        self.member = member or None

    @override
    def message(self) -> str:
        """Name the finding."""
        return _("This file contains malware (%(signature)s). It was not kept.") % {
            "signature": self.signature
        }


class AttachmentUnsafe(KarenError):
    """Unpacking the file would take absurd amounts of memory; `reason` says by what measure."""

    code = "attachment_unsafe"
    status = 422
    public_fields = ("reason",)

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @override
    def message(self) -> str:
        """Say so."""
        return _("Unpacked, this file would be far larger than is reasonable. It was not kept.")


class AttachmentEncrypted(KarenError):
    """The file is protected by a password."""

    code = "attachment_encrypted"
    status = 422

    @override
    def message(self) -> str:
        """Ask for one without."""
        return _("This file is protected by a password. Remove the protection and try again.")


class AttachmentBroken(KarenError):
    """The file is damaged or not what it seems; `reason` says what was found."""

    code = "attachment_broken"
    status = 422
    public_fields = ("reason",)

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason or None

    @override
    def message(self) -> str:
        """Say so."""
        return _("This file cannot be read: it seems to be damaged. Open and save it again.")


class AttachmentTooComplex(KarenError):
    """Reading the file took more time or memory than one file may take."""

    code = "attachment_too_complex"
    status = 422

    @override
    def message(self) -> str:
        """Suggest a smaller one."""
        return _("Reading this file takes too long or too much memory. Split it and try again.")


class AttachmentNotReady(KarenError):
    """The file is still being checked."""

    code = "attachment_not_ready"
    status = 409
    retryable = True

    @override
    def message(self) -> str:
        """Ask to wait."""
        return _("This file is still being checked. Try again in a moment.")


class AttachmentWasRefused(KarenError):
    """The file was refused and cannot be sent; `reason` is the code of its problem."""

    code = "attachment_refused"
    status = 409
    public_fields = ("reason",)

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason

    @override
    def message(self) -> str:
        """Ask to remove it."""
        return _("One of the files was refused. Remove it and send again.")


class AttachmentAlreadySent(KarenError):
    """The file was sent with another message."""

    code = "attachment_already_sent"
    status = 409

    @override
    def message(self) -> str:
        """Ask to upload again."""
        return _("This file was sent with another message already. Upload it once more.")


class AttachmentKeyReused(KarenError):
    """The client's key names another upload."""

    code = "attachment_key_reused"
    status = 409

    @override
    def message(self) -> str:
        """Ask for a new key."""
        return _("This client key was used for another file. Use a new one.")


class ScannerUnavailable(KarenError):
    """The malware scanner does not answer; nothing passes without it."""

    code = "scanner_unavailable"
    status = 503
    retryable = True

    @override
    def message(self) -> str:
        """Ask to retry."""
        return _("The malware scanner cannot be reached. The file waits until it can.")


class AttachmentNotProcessed(KarenError):
    """Reading the file failed on our side, several times."""

    code = "attachment_not_processed"
    status = 500
    retryable = True

    @override
    def message(self) -> str:
        """Ask to upload again."""
        return _("Reading this file failed on our side. Please upload it again.")
