"""What a row says, and short ways to write one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN


class Host(StrEnum):
    """Where an address lives."""

    PLATFORM = "platform"
    WORKSPACE = "workspace"


class Access(StrEnum):
    """What an address demands when it is not a workspace permission."""

    OPEN = "open"
    SIGNED_IN = "signed in"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One route with one method.

    Attributes:
        host: The kind of host that serves it.
        route: The pattern; several rows may share one.
        demands: An `Access`, or a permission code.
        path: A concrete address; the route itself when it has no parameters.
        method: The HTTP method.
        body: The JSON body of a writing request.
        success: Statuses that mean "let through".
        hidden: Refusals answer 404, because outsiders may not know the address exists.
        shared: Its object belongs to the workspace and not to one person.
    """

    host: Host
    route: str
    demands: str
    path: str = ""
    method: str = "GET"
    body: Mapping[str, object] = field(default_factory=dict)
    success: tuple[int, ...] = (200,)
    hidden: bool = False
    shared: bool = False

    @property
    def is_api(self) -> bool:
        """Whether refusals are error envelopes rather than redirects to the login page."""
        return self.route.startswith("api/")

    @property
    def address(self) -> str:
        """The path to ask for, with its placeholders."""
        return self.path or f"/{self.route}"

    @property
    def has_object(self) -> bool:
        """Whether the address names something that belongs to somebody."""
        return "{" in self.address

    @property
    def name(self) -> str:
        """How test reports call this row."""
        return f"{self.host} {self.method} /{self.route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRow:
    """One WebSocket route."""

    route: str
    demands: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRow:
    """One route below `/v1/`, which no resolver knows; keys are its only credential.

    Attributes:
        route: What stands behind `/v1/`.
        demands: A permission code.
        path: A concrete address behind `/v1/`; the route itself when it has no wildcard.
        method: The HTTP method.
        body: The JSON body of a writing request.
        success: Statuses that mean "let through".
    """

    route: str
    demands: str
    path: str = ""
    method: str = "GET"
    body: Mapping[str, object] = field(default_factory=dict)
    success: tuple[int, ...] = (200,)


def api(route: str, **values: object) -> Row:
    """Return a row of REST for every member."""
    return Row(host=Host.WORKSPACE, route=f"api/v1/{route}", demands=CHAT_USER, **values)  # type: ignore[arg-type]  # passed on as given


def behind(route: str, demands: str, **values: object) -> Row:
    """Return a row of REST behind a permission."""
    return Row(host=Host.WORKSPACE, route=f"api/v1/{route}", demands=demands, **values)  # type: ignore[arg-type]  # passed on as given


def admin(route: str, **values: object) -> Row:
    """Return a row of REST for administrators, about what belongs to the workspace."""
    return Row(
        host=Host.WORKSPACE,
        route=f"api/v1/{route}",
        demands=TENANT_ADMIN,
        shared=True,
        **values,  # type: ignore[arg-type]  # passed on as given
    )
