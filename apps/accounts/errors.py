"""What can go wrong with accounts and memberships, as clients see it."""

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError, NotAuthenticated


class SignUpRefused(KarenError):
    """No account is made with these details; whether the address has one is not said."""

    code = "sign_up_refused"
    status = 409

    @override
    def message(self) -> str:
        """Point to the login without a word about whose the address is."""
        return _(
            "We cannot create an account with these details. If you have one already, log in and "
            "create the workspace from there."
        )


class EmailUnconfirmed(KarenError):
    """The person has not confirmed their address yet, and must."""

    code = "email_unconfirmed"
    status = 403

    @override
    def message(self) -> str:
        """Ask for the code."""
        return _("Confirm your e-mail address first: log in and enter the code we send you.")


class EntryTokenInvalid(KarenError):
    """The ticket was used, is too old, or leads to another workspace."""

    code = "entry_token_invalid"
    status = 404

    @override
    def message(self) -> str:
        """Say why links stop working."""
        return _("This link works once, for one minute. Open the workspace from your list again.")


class NotAMember(KarenError):
    """The person does not belong to this workspace."""

    code = "not_a_member"
    status = 403

    @override
    def message(self) -> str:
        """Say so."""
        return _("You are not a member of this workspace.")


class MembershipNotFound(KarenError):
    """The person to change is not a member of the workspace."""

    code = "membership_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("This person is not a member of the workspace.")


class AlreadyMember(KarenError):
    """The person belongs to this workspace already."""

    code = "already_member"
    status = 409

    @override
    def message(self) -> str:
        """Say so."""
        return _("This person is a member already.")


class AccountNotFound(KarenError):
    """No active account has this id or address."""

    code = "account_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("There is no such account.")


class RoleNotFound(KarenError):
    """The workspace has no role of this code."""

    code = "role_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("There is no such role.")


class LastOwner(KarenError):
    """The change would leave the workspace without an owner."""

    code = "last_owner"
    status = 409

    @override
    def message(self) -> str:
        """Ask for another owner first."""
        return _("A workspace needs an owner. Make somebody else an owner first.")


class ApiKeyNotFound(KarenError):
    """The person has no such API key here, or it was revoked."""

    code = "api_key_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("There is no such API key.")


class ApiKeyInvalid(NotAuthenticated):
    """The API key is unknown here, revoked or expired, or its owner has no access any more."""

    code = "api_key_invalid"

    @override
    def message(self) -> str:
        """Say what may be wrong, without saying which."""
        return _(
            "This API key is not valid here: it may be mistyped, revoked or expired, or belong to "
            "another workspace. Make a new one under Settings, API keys."
        )
