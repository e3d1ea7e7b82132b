"""What can go wrong with background work, as operators see it."""

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class DeadLetterNotFound(KarenError):
    """No such dead letter."""

    code = "dead_letter_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("There is no such dead letter.")


class AlreadyReplayed(KarenError):
    """The dead letter was replayed before."""

    code = "dead_letter_already_replayed"
    status = 409

    @override
    def message(self) -> str:
        """Say so."""
        return _("This dead letter was replayed already.")
