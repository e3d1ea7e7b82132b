"""Who may use which address: one row for each route and method, checked by `test_matrix.py`.

A new route gets its row here, or the test fails. `route` is the pattern as Django's resolver
spells it; `path` is a concrete address, with `{conversation}`, `{idle}` (a conversation without a
running turn), `{turn}` and `{key}` for objects of acme's owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from apps.accounts.permissions import CHAT_USER, MEMORY_READ, MEMORY_WRITE, TENANT_ADMIN


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
    """

    host: Host
    route: str
    demands: str
    path: str = ""
    method: str = "GET"
    body: Mapping[str, object] = field(default_factory=dict)
    success: tuple[int, ...] = (200,)
    hidden: bool = False

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


_KEY = "/accounts/password/reset/key/1-set/"
_PASSED_ON = (200, 302)

# allauth decides some pages by the state of a log-in under way; being sent on is being let through.
_ACCOUNT_PAGES: tuple[tuple[str, str, str, tuple[int, ...]], ...] = (
    ("accounts/login/", Access.OPEN, "", _PASSED_ON),
    ("accounts/logout/", Access.OPEN, "", _PASSED_ON),
    ("accounts/signup/", Access.OPEN, "", (302,)),
    ("accounts/inactive/", Access.OPEN, "", (200,)),
    ("accounts/confirm-email/", Access.OPEN, "", _PASSED_ON),
    (
        r"accounts/^confirm-email/(?P<key>[-:\w]+)/$",
        Access.OPEN,
        "/accounts/confirm-email/nokey/",
        (200, 302, 404),
    ),
    ("accounts/password/reset/", Access.OPEN, "", _PASSED_ON),
    ("accounts/password/reset/done/", Access.OPEN, "", (200,)),
    (
        "accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        Access.OPEN,
        _KEY,
        _PASSED_ON,
    ),
    ("accounts/password/reset/key/done/", Access.OPEN, "", (200,)),
    ("accounts/login/code/confirm/", Access.OPEN, "", _PASSED_ON),
    ("accounts/reauthenticate/", Access.SIGNED_IN, "", _PASSED_ON),
    ("accounts/email/", Access.SIGNED_IN, "", _PASSED_ON),
    ("accounts/password/change/", Access.SIGNED_IN, "", _PASSED_ON),
    ("accounts/password/set/", Access.SIGNED_IN, "", _PASSED_ON),
)


def _both_hosts() -> tuple[Row, ...]:
    rows: list[Row] = []
    for host in Host:
        rows += [
            Row(host=host, route=route, demands=demands, path=path, success=success)
            for route, demands, path, success in _ACCOUNT_PAGES
        ]
        rows += [
            Row(host=host, route="workspaces/", demands=Access.SIGNED_IN),
            Row(
                host=host,
                route="workspaces/<uuid:tenant_id>/open/",
                demands=Access.SIGNED_IN,
                path="/workspaces/{acme}/open/",
                method="POST",
                success=(302,),
            ),
            Row(host=host, route="signup/address/", demands=Access.OPEN, success=(200, 204)),
            Row(host=host, route="health/live", demands=Access.OPEN),
            Row(host=host, route="health/ready", demands=Access.OPEN),
            Row(
                host=host,
                route="api/<path:rest>",
                demands=Access.OPEN,
                path="/api/nothing/here",
                success=(404,),
            ),
        ]
    return tuple(rows)


_PLATFORM = (
    Row(host=Host.PLATFORM, route="", demands=Access.OPEN, success=_PASSED_ON),
    Row(host=Host.PLATFORM, route="signup/", demands=Access.OPEN, success=_PASSED_ON),
    Row(host=Host.PLATFORM, route="metrics", demands=Access.OPERATOR, hidden=True),
    # All of the admin's own routes; `test_console.py` walks each of them.
    Row(host=Host.PLATFORM, route="admin/", demands=Access.OPERATOR),
)


def _api(route: str, **values: object) -> Row:
    return Row(host=Host.WORKSPACE, route=f"api/v1/{route}", demands=CHAT_USER, **values)  # type: ignore[arg-type]  # passed on as given


def _memory(route: str, demands: str, **values: object) -> Row:
    return Row(host=Host.WORKSPACE, route=f"api/v1/{route}", demands=demands, **values)  # type: ignore[arg-type]  # passed on as given


_MEMORY = "memories/<uuid:memory_id>"
_THE_MEMORY = "/api/v1/memories/{memory}"
_MESSAGE = {"text": "hello", "client_message_id": "matrix", "model": "echo/plain"}
_ASK_AGAIN = {"client_message_id": "matrix-again", "model": "echo/plain"}
_CONVERSATION = "conversations/<uuid:conversation_id>"
_ONE = "/api/v1/conversations/{conversation}"


def _settings_rows() -> tuple[Row, ...]:
    message, conversation = "messages/<uuid:message_id>", _CONVERSATION
    own_message = "/api/v1/messages/{answer}"
    folder, share = "folders/<uuid:folder_id>", "shares/<uuid:share_id>"
    person = f"{conversation}/participants/<uuid:user_id>"
    return (
        _api("folders"),
        _api("folders", method="POST", body={"name": "new"}, success=(201,)),
        _api(folder, path="/api/v1/folders/{folder}", method="PATCH", body={"name": "other"}),
        _api(folder, path="/api/v1/folders/{folder}", method="DELETE", success=(204,)),
        _api(
            "conversations/bulk",
            method="POST",
            body={"ids": ["{conversation}"], "action": "archive"},
        ),
        _api("conversations/import", method="POST", body=EXPORTED),
        _api("imports/<uuid:import_id>", path="/api/v1/imports/{import}"),
        _api(f"{conversation}/export", path=f"{_ONE}/export"),
        _api(
            f"{conversation}/fork",
            path=f"{_ONE}/fork",
            method="POST",
            body={"message_id": "{message}"},
            success=(201,),
        ),
        _api(f"{conversation}/shares", path=f"{_ONE}/shares"),
        _api(f"{conversation}/shares", path=f"{_ONE}/shares", method="POST", success=(201,)),
        _api(share, path="/api/v1/shares/{share}", method="DELETE", success=(204,)),
        _api(f"{conversation}/participants", path=f"{_ONE}/participants"),
        _api(person, path=f"{_ONE}/participants/{{colleague}}", method="PUT"),
        _api(
            person,
            path="/api/v1/conversations/{common}/participants/{member}",
            method="DELETE",
            success=(204,),
        ),
        _api("members"),
        _api(
            f"{message}/feedback",
            path="/api/v1/messages/{finished}/feedback",
            method="PUT",
            body={"rating": 1},
        ),
        _api(f"{message}/feedback", path="/api/v1/messages/{finished}/feedback", method="DELETE"),
        _api(f"{message}/pin", path=f"{own_message}/pin", method="PUT"),
        _api(f"{message}/pin", path=f"{own_message}/pin", method="DELETE"),
        _api("personas"),
        _api("personas", method="POST", body={"name": "New one"}, success=(201,)),
        _api(
            "personas/<slug:slug>",
            path="/api/v1/personas/{persona}",
            method="PATCH",
            body={"name": "Other"},
        ),
        _api(
            "personas/<slug:slug>",
            path="/api/v1/personas/{persona}",
            method="DELETE",
            success=(204,),
        ),
        _api("commands"),
    )


def _usage_rows() -> tuple[Row, ...]:
    def managed(route: str, **values: object) -> Row:
        return Row(host=Host.WORKSPACE, route=route, demands=TENANT_ADMIN, **values)  # type: ignore[arg-type]  # passed on as given

    budget = {"level": "tenant", "unit": "tokens", "period": "day", "amount": "1000"}
    one, one_page = "/api/v1/budgets/{budget}", "/usage/budgets/{budget}/"
    return (
        _api("usage"),
        _api("usage.csv"),
        _api("usage/calls"),
        _api("usage/estimate", method="POST", body={"text": "hello", "model": "echo/plain"}),
        _api("budgets"),
        managed("api/v1/budgets", method="POST", body=budget, success=(201,)),
        managed("api/v1/budgets/<uuid:budget_id>", path=one, method="PATCH", body={"amount": "12"}),
        managed("api/v1/budgets/<uuid:budget_id>", path=one, method="DELETE", success=(204,)),
        Row(host=Host.WORKSPACE, route="usage/", demands=CHAT_USER),
        managed("usage/budgets/", method="POST"),  # an empty form comes back with its errors
        managed("usage/budgets/<uuid:budget_id>/", path=one_page, method="POST"),
        managed(
            "usage/budgets/<uuid:budget_id>/delete/",
            path=f"{one_page}delete/",
            method="POST",
            success=(302,),
        ),
    )


EXPORTED: Mapping[str, object] = {
    "format": "karen.conversation",
    "version": 1,
    "messages": [{"id": "a", "role": "user", "text": "hello"}],
}
_FILE = "attachments/<uuid:attachment_id>"
_ONE_FILE = "/api/v1/attachments/{attachment}"

_WORKSPACE = (
    Row(host=Host.WORKSPACE, route="", demands=Access.OPEN, success=(302,)),
    Row(host=Host.WORKSPACE, route="chat/", demands=CHAT_USER),
    Row(
        host=Host.WORKSPACE,
        route="chat/<uuid:conversation_id>/",
        demands=CHAT_USER,
        path="/chat/{conversation}/",
    ),
    # The token is the credential; tests/app/accounts checks whom it admits.
    Row(
        host=Host.WORKSPACE,
        route="enter/<str:token>/",
        demands=Access.OPEN,
        path="/enter/no-such-token/",
        success=(400, 401, 403, 404, 410),
    ),
    # The secret in the address is the credential; tests/app/web checks whom it admits.
    Row(
        host=Host.WORKSPACE,
        route="share/<str:token>/",
        demands=Access.OPEN,
        path="/share/no-such-secret/",
        success=(404,),
    ),
    Row(host=Host.WORKSPACE, route="settings/keys/", demands=CHAT_USER),
    Row(
        host=Host.WORKSPACE,
        route="settings/keys/<uuid:key_id>/revoke/",
        demands=CHAT_USER,
        path="/settings/keys/{key}/revoke/",
        method="POST",
        success=(302,),
    ),
    _api("keys"),
    _api("keys", method="POST", body={"name": "matrix"}, success=(201,)),
    _api("keys/<uuid:key_id>", path="/api/v1/keys/{key}", method="DELETE", success=(204,)),
    _api("me"),
    _api("tools"),
    _api("models"),
    _api("search", path="/api/v1/search?q=hello"),
    _api("conversations"),
    _api("conversations", method="POST", success=(201,)),
    _api(_CONVERSATION, path=_ONE),
    _api(_CONVERSATION, path=_ONE, method="PATCH", body={"title": "new"}),
    _api(_CONVERSATION, path=_ONE, method="DELETE", success=(204,)),
    _api(f"{_CONVERSATION}/messages", path=f"{_ONE}/messages"),
    _api(
        f"{_CONVERSATION}/messages",
        path="/api/v1/conversations/{idle}/messages",
        method="POST",
        body=_MESSAGE,
        success=(202,),
    ),
    _api(
        f"{_CONVERSATION}/branch",
        path=f"{_ONE}/branch",
        method="PUT",
        body={"message_id": "{message}"},
    ),
    _api(
        "messages/<uuid:message_id>/regenerate",
        path="/api/v1/messages/{message}/regenerate",
        method="POST",
        body=_ASK_AGAIN,
        success=(202,),
    ),
    _api(
        "messages/<uuid:message_id>/continue",
        path="/api/v1/messages/{answer}/continue",
        method="POST",
        body=_ASK_AGAIN,
        success=(202, 409),  # 409: it is still being written
    ),
    _api(f"{_CONVERSATION}/gauge", path=f"{_ONE}/gauge"),
    _api("turns", method="POST", body=_MESSAGE, success=(202,)),
    _api("turns/<uuid:turn_id>/context", path="/api/v1/turns/{turn}/context"),
    _api("turns/<uuid:turn_id>", path="/api/v1/turns/{turn}"),
    _api("turns/<uuid:turn_id>/trace", path="/api/v1/turns/{turn}/trace"),
    _api("turns/<uuid:turn_id>/events", path="/api/v1/turns/{ended}/events"),
    Row(
        host=Host.WORKSPACE,
        route="api/chat/runtime",
        demands=CHAT_USER,
        method="POST",
        body={"message": ""},
        success=(400,),  # an empty message: nobody answers here
    ),
    Row(
        host=Host.WORKSPACE,
        route="api/chat/runtime/stream",
        demands=CHAT_USER,
        method="POST",
        body={"message": ""},
        success=(400,),
    ),
    _api(
        "turns/<uuid:turn_id>/cancel",
        path="/api/v1/turns/{turn}/cancel",
        method="POST",
        success=(202,),
    ),
    *_settings_rows(),
    _api("attachments"),
    # Whoever is let through is told that a form is wanted; tests/app/attachments sends one.
    _api("attachments", method="POST", success=(415,)),
    _api(_FILE, path=_ONE_FILE),
    _api(f"{_FILE}/content", path=f"{_ONE_FILE}/content"),
    _api(f"{_FILE}/thumbnail", path=f"{_ONE_FILE}/thumbnail"),
    _api(_FILE, path=_ONE_FILE, method="DELETE", success=(204,)),
    _memory("memories", MEMORY_READ),
    _memory("memories", MEMORY_WRITE, method="POST", body={"text": "tea"}, success=(201,)),
    _memory(_MEMORY, MEMORY_WRITE, path=_THE_MEMORY, method="PATCH", body={"pinned": True}),
    _memory(_MEMORY, MEMORY_WRITE, path=_THE_MEMORY, method="DELETE", success=(204,)),
    *_usage_rows(),
    # The document is the same everywhere and holds nothing of the workspace.
    Row(host=Host.WORKSPACE, route="api/schema/", demands=Access.OPEN),
    Row(host=Host.WORKSPACE, route="api/docs/", demands=Access.OPEN),
    Row(host=Host.WORKSPACE, route="api/redoc/", demands=Access.OPEN),
)

ROWS = (*_both_hosts(), *_PLATFORM, *_WORKSPACE)

SOCKETS = (SocketRow(route="ws/chat/", demands=CHAT_USER),)

_ASK = {"model": "echo/plain", "messages": [{"role": "user", "content": "hello"}]}

DOOR_ROWS = (
    DoorRow(route="chat/completions", demands=CHAT_USER, method="POST", body=_ASK),
    DoorRow(
        route="responses",
        demands=CHAT_USER,
        method="POST",
        body={"model": "echo/plain", "input": "hello"},
    ),
    # No worker answers here: who is let through is told that there is no such model.
    DoorRow(
        route="embeddings",
        demands=CHAT_USER,
        method="POST",
        body={"model": "no/such", "input": "x"},
        success=(404,),
    ),
    DoorRow(route="models", demands=CHAT_USER),
    DoorRow(route="models/*", demands=CHAT_USER, path="models/echo/plain"),
)
