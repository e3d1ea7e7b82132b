"""What can go wrong with conversations, as clients see it."""

from collections.abc import Mapping
from uuid import UUID

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.envelope import ErrorBody
from apps.core.errors import KarenError, PermissionDenied


class ConversationNotFound(KarenError):
    """It does not exist, or the actor may not see it."""

    code = "conversation_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This conversation does not exist, or it is not yours.")


class TurnNotFound(KarenError):
    """It does not exist, or the actor may not see it."""

    code = "turn_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This answer does not exist, or it is not yours.")


class TurnInProgress(KarenError):
    """Another answer is being written in this conversation; `turn_id` names it."""

    code = "turn_in_progress"
    status = 409
    retryable = True
    public_fields = ("turn_id",)

    def __init__(self, turn_id: UUID | None = None) -> None:
        super().__init__(turn_id)
        self.turn_id = str(turn_id) if turn_id else None

    @override
    def message(self) -> str:
        """Ask to wait or stop."""
        return _("An answer is still being written here. Wait for it or stop it first.")


class MessageEmpty(KarenError):
    """The message has no text."""

    code = "message_empty"

    @override
    def message(self) -> str:
        """Ask for text."""
        return _("Write something first: the message is empty.")


class MessageTooLong(KarenError):
    """The message has more characters than `limit`."""

    code = "message_too_long"
    status = 413
    public_fields = ("limit", "length")

    def __init__(self, *, limit: int, length: int) -> None:
        super().__init__(limit, length)
        self.limit = limit
        self.length = length

    @override
    def message(self) -> str:
        """Name the limit."""
        return _("The message has %(length)d characters; at most %(limit)d are allowed.") % {
            "length": self.length,
            "limit": self.limit,
        }


class FrameInvalid(KarenError):
    """A WebSocket frame does not fit the protocol; `problem` says where."""

    code = "frame_invalid"
    public_fields = ("problem",)

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    @override
    def message(self) -> str:
        """Say so."""
        return _("This frame does not fit the protocol.")


class AttemptsExhausted(KarenError):
    """The worker died on every attempt."""

    code = "attempts_exhausted"
    status = 500
    retryable = True

    @override
    def message(self) -> str:
        """Ask to send again."""
        return _("The answer could not be finished after several attempts. Please try again.")


class AnswerTimedOut(KarenError):
    """The answer took longer than a turn may."""

    code = "answer_timed_out"
    status = 504
    retryable = True

    @override
    def message(self) -> str:
        """Ask to send again."""
        return _("The answer took too long and was stopped. Please try again.")


class SearchUnavailable(KarenError):
    """Neither words nor meanings can be searched now."""

    code = "search_unavailable"
    status = 503
    retryable = True

    @override
    def message(self) -> str:
        """Ask to try again."""
        return _("Search is not available right now. Try again shortly.")


class MessageNotFound(KarenError):
    """It does not exist, or the actor may not see it."""

    code = "message_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This message does not exist, or it is not yours.")


class IdempotencyConflict(KarenError):
    """The same id of the client was used before for something else."""

    code = "idempotency_conflict"
    status = 409

    @override
    def message(self) -> str:
        """Ask for a new id."""
        return _("This client_message_id was used for another request. Use a new id.")


class QueueFull(KarenError):
    """At most `limit` messages wait in a conversation."""

    code = "queue_full"
    status = 409
    retryable = True
    public_fields = ("limit",)

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    @override
    def message(self) -> str:
        """Ask to wait or stop."""
        return _("%(limit)d messages wait for their answers here. Wait, or stop one first.") % {
            "limit": self.limit
        }


class OwnerOnly(KarenError):
    """Participants read and write; only the owner deletes, shares, invites and organises."""

    code = "owner_only"
    status = 403

    @override
    def message(self) -> str:
        """Say who may."""
        return _("Only the person who started this conversation may do that.")


class OptionNotAllowed(PermissionDenied):
    """An option needs a permission that the actor lacks; `permission` names it."""

    def __init__(self, *, what: str, permission: str) -> None:
        super().__init__(permission)
        self.what = what

    @override
    def message(self) -> str:
        """Name what was to change and what that needs."""
        return _(
            "Changing the %(what)s needs the permission %(permission)s. Ask an administrator of "
            "your workspace."
        ) % {"what": self.what, "permission": self.permission}


class FolderNotFound(KarenError):
    """It does not exist, or it is somebody else's."""

    code = "folder_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This folder does not exist, or it is not yours.")


class ShareNotFound(KarenError):
    """It does not exist, was revoked, or is not meant for the caller."""

    code = "share_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so without telling which."""
        return _("There is no such shared conversation, or its link was taken back.")


class PersonaNotFound(KarenError):
    """No persona that the actor may use has this name."""

    code = "persona_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("There is no such persona here. The list of personas shows which there are.")


class ImportNotFound(KarenError):
    """It does not exist, or it is somebody else's."""

    code = "import_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This import does not exist, or it is not yours.")


class ImportInvalid(KarenError):
    """A file is no export that we know; `place` and `problem` say where and why."""

    code = "import_invalid"
    public_fields = ("place", "problem")

    def __init__(self, *, place: str, problem: str) -> None:
        super().__init__(place, problem)
        self.place = place
        self.problem = problem

    @override
    def message(self) -> str:
        """Name the place."""
        return _("This file cannot be imported: %(problem)s (at %(place)s)") % {
            "problem": self.problem,
            "place": self.place or "the start",
        }


class TooManyTurns(KarenError):
    """At most `limit` answers are written at once for the `whose`: person or workspace."""

    code = "too_many_turns"
    status = 429
    retryable = True
    public_fields = ("limit", "whose", "retry_after_s")

    def __init__(self, *, limit: int, whose: str) -> None:
        super().__init__(limit, whose)
        self.limit = limit
        self.whose = whose
        self.retry_after_s = 5.0

    @override
    def message(self) -> str:
        """Ask to wait."""
        return _("%(limit)d answers are being written already. Wait for one, or stop one.") % {
            "limit": self.limit
        }

    @override
    def headers(self) -> Mapping[str, str]:
        """Return `Retry-After` in whole seconds."""
        return {"Retry-After": str(round(self.retry_after_s))}


class AnswerFailed(KarenError):
    """The answer ended with the error in `cause`; for edges that can only fail as a whole."""

    code = "answer_failed"
    status = 502
    public_fields = ("cause",)

    def __init__(self, *, body: ErrorBody) -> None:
        super().__init__(body["message"])
        self.cause = body["type"]
        self.said = body["message"]

    @override
    def message(self) -> str:
        """Say what the turn says."""
        return self.said
