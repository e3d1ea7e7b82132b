"""What can go wrong with memories, as clients see it."""

from collections.abc import Sequence
from uuid import UUID

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class MemoryNotFound(KarenError):
    """It does not exist, or it is about somebody else."""

    code = "memory_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This memory does not exist, or it is not yours.")


class MemoryExists(KarenError):
    """Another memory of the person says exactly this already."""

    code = "memory_exists"
    status = 409

    @override
    def message(self) -> str:
        """Say so."""
        return _("Another memory says exactly this already.")


class MemoryHoldsSecret(KarenError):
    """The text holds something that is never remembered; `secret` names what kind."""

    code = "memory_holds_secret"
    status = 422
    public_fields = ("secret",)

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.secret = secret

    @override
    def message(self) -> str:
        """Say what was found and how to go on."""
        found = {
            "card_number": _("a card number"),
            "private_key": _("a private key"),
            "access_key": _("an access key or token"),
            "password": _("a password or PIN"),
        }[self.secret]
        return _("This looks like %(what)s, and secrets are never remembered. Leave it out.") % {
            "what": found
        }


class RecallUnavailable(KarenError):
    """Memories cannot be searched now, neither by words nor by meaning."""

    code = "recall_unavailable"
    status = 503
    retryable = True

    @override
    def message(self) -> str:
        """Say so."""
        return _("Memories cannot be searched right now.")


class MemoryFull(KarenError):
    """No more can be remembered; `limit` is how much, `whose` whether a person's or everybody's."""

    code = "memory_full"
    status = 409
    public_fields = ("limit", "whose")

    def __init__(self, limit: int, whose: str) -> None:
        super().__init__(limit, whose)
        self.limit = limit
        self.whose = whose

    @override
    def message(self) -> str:
        """Say what is full and how to mend it."""
        what = (
            _("Your memory is full: it holds %(limit)d things.")
            if self.whose == "subject"
            else _("The memory of this workspace is full: it holds %(limit)d things.")
        )
        mend = _("Forget or archive some, or have an administrator raise the limit.")
        return f"{what % {'limit': self.limit}} {mend}"


class ChangesetNotFound(KarenError):
    """It does not exist, or it changed somebody else's memories."""

    code = "changeset_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("These changes do not exist, or they are not of your memories.")


class ChangesetOutdated(KarenError):
    """Memories are no longer as the changes need them; `memory_ids` names them."""

    code = "changeset_outdated"
    status = 409
    public_fields = ("memory_ids",)

    def __init__(self, memory_ids: Sequence[UUID]) -> None:
        super().__init__(memory_ids)
        self.memory_ids = [str(each) for each in memory_ids]

    @override
    def message(self) -> str:
        """Say so."""
        return _("Some of these memories were changed, archived or forgotten since.")
