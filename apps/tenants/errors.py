"""What can go wrong with tenants, as clients see it."""

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError, ServiceUnavailable


class SlugInvalid(KarenError):
    """The wanted address is not a usable host label; `problem` says why."""

    code = "slug_invalid"
    public_fields = ("problem",)

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    @override
    def message(self) -> str:
        """Say what an address may look like."""
        if self.problem == "reserved":
            return _("This address is reserved. Choose another one.")
        return _(
            "An address has 2 to 40 letters a-z, digits and hyphens, and starts and ends with a "
            "letter or digit."
        )


class SlugTaken(KarenError):
    """Another workspace has this address."""

    code = "slug_taken"
    status = 409

    @override
    def message(self) -> str:
        """Ask for another address."""
        return _("This address is taken. Choose another one.")


class TenantNotFound(KarenError):
    """No such workspace, or the caller may not know of it."""

    code = "tenant_not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say so."""
        return _("There is no such workspace.")


class TenantSuspended(KarenError):
    """The workspace was suspended by the operator."""

    code = "tenant_suspended"
    status = 403

    @override
    def message(self) -> str:
        """Point to the operator."""
        return _("This workspace is suspended. Contact the operator of this site.")


class TenantProvisioning(ServiceUnavailable):
    """The workspace is being set up."""

    code = "tenant_provisioning"

    @override
    def message(self) -> str:
        """Ask for a moment's patience."""
        return _("This workspace is being set up. Try again in a moment.")


class TenantStateConflict(KarenError):
    """The state of the workspace does not permit the change."""

    code = "tenant_state_conflict"
    status = 409

    @override
    def message(self) -> str:
        """Say so."""
        return _("The workspace is not in a state that permits this.")
