"""Who may use which address: one row for each route and method, checked by `test_matrix.py`.

A new route gets its row here, or the test fails. `route` is the pattern as Django's resolver
spells it; `path` is a concrete address, with `{conversation}`, `{idle}` (a conversation without a
running turn), `{turn}` and `{key}` for objects of acme's owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from apps.accounts.permissions import (
    CHAT_CONFIG_EDIT,
    CHAT_USER,
    MEMORY_AUDIT,
    MEMORY_READ,
    MEMORY_WRITE,
    TENANT_ADMIN,
)


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
        return Row(host=Host.WORKSPACE, route=route, demands=TENANT_ADMIN, shared=True, **values)  # type: ignore[arg-type]  # passed on as given

    budget = {"level": "tenant", "unit": "tokens", "period": "day", "amount": "1000"}
    one, one_page = "/api/v1/budgets/{budget}", "/usage/budgets/{budget}/"
    return (
        _api("router/explain", method="POST", body={"text": "hello"}),
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


def _memory_rows() -> tuple[Row, ...]:
    """Memories through REST and on their page; looking at a colleague's has its own permission."""

    def page(route: str, demands: str, **values: object) -> Row:
        return Row(host=Host.WORKSPACE, route=f"settings/memory/{route}", demands=demands, **values)  # type: ignore[arg-type]  # passed on as given

    one, the_one = "<uuid:memory_id>/", "/settings/memory/{memory}/"
    return (
        _memory("memories", MEMORY_READ),
        _memory("memories", MEMORY_WRITE, method="POST", body={"text": "tea"}, success=(201,)),
        _memory("memories", MEMORY_WRITE, method="DELETE", body={"confirm": "forget everything"}),
        _memory("memories/search", MEMORY_READ, method="POST", body={"query": "coffee"}),
        _memory("memories/forget", MEMORY_WRITE, method="POST", body={"topic": "coffee"}),
        _memory("memories/export", MEMORY_READ),
        _memory("memories/entities", MEMORY_READ),
        _memory("memories/graph", MEMORY_READ),
        _memory(_MEMORY, MEMORY_READ, path=_THE_MEMORY),
        _memory(_MEMORY, MEMORY_WRITE, path=_THE_MEMORY, method="PATCH", body={"pinned": True}),
        _memory(_MEMORY, MEMORY_WRITE, path=_THE_MEMORY, method="DELETE", success=(204,)),
        _memory(f"{_MEMORY}/history", MEMORY_READ, path=f"{_THE_MEMORY}/history"),
        _memory(f"{_MEMORY}/why", MEMORY_READ, path=f"{_THE_MEMORY}/why"),
        _memory(
            "people/<uuid:user_id>/memories",
            MEMORY_AUDIT,
            path="/api/v1/people/{owner}/memories?reason=They+asked+for+it",
            shared=True,
        ),
        page("", MEMORY_READ, path="/settings/memory/"),
        page("names/", MEMORY_READ),
        page("add/", MEMORY_WRITE, method="POST"),
        page("forget/", MEMORY_WRITE, method="POST"),
        page("forget-everything/", MEMORY_WRITE, method="POST"),
        page(one, MEMORY_READ, path=the_one),
        page(f"{one}change/", MEMORY_WRITE, path=f"{the_one}change/", method="POST"),
        page(f"{one}mark/", MEMORY_WRITE, path=f"{the_one}mark/", method="POST", success=(302,)),
        page(
            f"{one}forget/", MEMORY_WRITE, path=f"{the_one}forget/", method="POST", success=(302,)
        ),
    )


def _guardrail_rows() -> tuple[Row, ...]:
    def row(route: str, **values: object) -> Row:
        return Row(host=Host.WORKSPACE, route=route, demands=TENANT_ADMIN, **values)  # type: ignore[arg-type]  # passed on as given

    text = {"text": "hello"}
    return (
        row("api/v1/guardrails"),
        row("api/v1/guardrails", method="PUT", body={"pii": "flag"}),
        row("api/v1/guardrails/decisions"),
        row("api/v1/guardrails/check", method="POST", body=text),
        row("settings/guardrails/"),
        row("settings/guardrails/rules/", method="POST", success=(200,)),
        row("settings/guardrails/rules/remove/", method="POST", success=(404,)),
        row("settings/guardrails/check/", method="POST", body=text),
    )


_PROMPT_MESSAGES = [{"role": "system", "text": "x"}]
_CASES = [{"assertions": [{"kind": "contains", "value": "x"}]}]


def _prompt_rows() -> tuple[Row, ...]:
    """Prompts: administrators alone hold either permission of theirs."""
    one, words = "prompts/<str:name>", "/api/v1/prompts/chat.facts"
    tried = "/api/v1/prompts/conversation.title"  # with an experiment that runs
    sets, runs = "prompt-evaluations/<uuid:set_id>", "prompt-evaluation-runs/<uuid:run_id>"
    trial, a_trial = (
        "prompt-experiments/<uuid:experiment_id>",
        "/api/v1/prompt-experiments/{experiment}",
    )
    page, its_page = "settings/prompts/<str:name>/", "/settings/prompts/conversation.title/"

    def read(route: str, path: str = "", **values: object) -> Row:
        return _memory(route, CHAT_CONFIG_EDIT, path=path, shared=True, **values)

    def write(route: str, path: str, body: Mapping[str, object], *success: int) -> Row:
        return _memory(
            route,
            TENANT_ADMIN,
            path=path,
            method="POST",
            body=body,
            success=success,
            shared=True,
        )

    def shown(route: str, path: str = "", **values: object) -> Row:
        fixed = {"host": Host.WORKSPACE, "demands": TENANT_ADMIN, "shared": True}
        return Row(route=route, path=path, **fixed, **values)  # type: ignore[arg-type]  # passed on as given

    return (
        read("prompts"),
        read(one, words),
        read(f"{one}/versions", f"{words}/versions"),
        write(f"{one}/versions", f"{words}/versions", {"messages": _PROMPT_MESSAGES}, 201),
        read(f"{one}/versions/<int:number>", f"{words}/versions/0"),
        read(f"{one}/diff", f"{words}/diff"),
        write(f"{one}/activate", f"{words}/activate", {"version": 0}, 200),
        write(f"{one}/rollback", f"{tried}/rollback", {}, 409),  # nothing held before
        read(f"{one}/preview", f"{words}/preview", method="POST", body={"model": "echo/plain"}),
        read(f"{one}/evaluations", f"{words}/evaluations"),
        write(f"{one}/evaluations", f"{words}/evaluations", {"name": "x", "cases": _CASES}, 201),
        read(f"{one}/experiments", f"{words}/experiments"),
        write(f"{one}/experiments", f"{tried}/experiments", {"version": 1}, 409),  # one runs
        _memory(
            sets,
            TENANT_ADMIN,
            path="/api/v1/prompt-evaluations/{evaluation}",
            method="DELETE",
            success=(204,),
            shared=True,
        ),
        read(f"{sets}/runs", "/api/v1/prompt-evaluations/{evaluation}/runs"),
        write(
            f"{sets}/runs",
            "/api/v1/prompt-evaluations/{evaluation}/runs",
            {"version": 0, "model": "echo/plain"},
            202,
        ),
        read(runs, "/api/v1/prompt-evaluation-runs/{run}"),
        read(trial, a_trial),
        write(f"{trial}/stop", f"{a_trial}/stop", {"keep": "a"}, 200),
        write(f"{trial}/outcomes", f"{a_trial}/outcomes", {"subject": "x", "passed": True}, 200),
        shown("settings/prompts/"),
        shown(page, its_page),
        shown(page, its_page, method="POST", success=(200,)),
        shown(f"{page}activate/", f"{its_page}activate/", method="POST", success=(404,)),
        shown(f"{page}rollback/", f"{its_page}rollback/", method="POST", success=(302,)),
        shown(
            "settings/prompt-experiments/<uuid:experiment_id>/stop/",
            "/settings/prompt-experiments/{experiment}/stop/",
            method="POST",
            success=(302,),
        ),
    )


def _admin(route: str, **values: object) -> Row:
    return Row(
        host=Host.WORKSPACE,
        route=f"api/v1/{route}",
        demands=TENANT_ADMIN,
        shared=True,
        **values,  # type: ignore[arg-type]  # passed on as given
    )


_PROVIDER = "providers/<uuid:provider_id>"
_THE_PROVIDER = "/api/v1/providers/{provider}"
_PROVIDED = f"{_PROVIDER}/models/<uuid:model_id>"
_THE_PROVIDED = "/api/v1/providers/{provider}/models/{provided}"
_POLICY = "routing-policies/<uuid:policy_id>"
_THE_POLICY = "/api/v1/routing-policies/{policy}"


def _provider_rows() -> tuple[Row, ...]:
    new = {"slug": "matrix", "base_url": "https://api.example.com/v1"}
    return (
        _admin("providers"),
        _admin("providers", method="POST", body=new, success=(201,)),
        Row(
            host=Host.WORKSPACE,
            route="api/v1/providers/status",
            demands=CHAT_USER,
            shared=True,
        ),
        _admin(_PROVIDER, path=_THE_PROVIDER),
        _admin(_PROVIDER, path=_THE_PROVIDER, method="PATCH", body={"label": "Other"}),
        _admin(_PROVIDER, path=_THE_PROVIDER, method="DELETE", success=(204,)),
        _admin(
            f"{_PROVIDER}/key", path=f"{_THE_PROVIDER}/key", method="PUT", body={"key": "sk-matrix"}
        ),
        _admin(f"{_PROVIDER}/key", path=f"{_THE_PROVIDER}/key", method="DELETE"),
        # Its address is this machine, which a workspace's provider never reaches.
        _admin(f"{_PROVIDER}/test", path=f"{_THE_PROVIDER}/test", method="POST"),
        _admin(
            f"{_PROVIDER}/discover",
            path=f"{_THE_PROVIDER}/discover",
            method="POST",
            success=(409,),
        ),
        _admin(f"{_PROVIDER}/models", path=f"{_THE_PROVIDER}/models"),
        _admin(
            f"{_PROVIDER}/models",
            path=f"{_THE_PROVIDER}/models",
            method="POST",
            body={"name": "another"},
            success=(201,),
        ),
        _admin(
            f"{_PROVIDER}/models",
            path=f"{_THE_PROVIDER}/models",
            method="PUT",
            body={"models": ["{provided}"]},
        ),
        _admin(_PROVIDED, path=_THE_PROVIDED, method="PATCH", body={"label": "Other"}),
        _admin(_PROVIDED, path=_THE_PROVIDED, method="DELETE", success=(204,)),
        _admin("gateway/settings"),
        _admin("gateway/settings", method="PATCH", body={"cache_ttl_s": 60}),
        _admin("routing-policies"),
        _admin("routing-policies", method="POST", body={"name": "matrix"}, success=(201,)),
        _admin(_POLICY, path=_THE_POLICY),
        _admin(_POLICY, path=_THE_POLICY, method="PATCH", body={"name": "Other"}),
        _admin(_POLICY, path=_THE_POLICY, method="DELETE", success=(204,)),
    )


def _page(route: str, **values: object) -> Row:
    return Row(
        host=Host.WORKSPACE,
        route=f"settings/{route}",
        demands=TENANT_ADMIN,
        shared=True,
        **values,  # type: ignore[arg-type]  # passed on as given
    )


def _provider_pages() -> tuple[Row, ...]:
    one, at = "providers/<uuid:provider_id>/", "/settings/providers/{provider}/"
    model, model_at = f"{one}models/<uuid:model_id>/", f"{at}models/{{provided}}/"
    rule, rule_at = "gateway/policies/<uuid:policy_id>/", "/settings/gateway/policies/{policy}/"

    def posted(route: str, path: str, *success: int) -> Row:
        return _page(route, path=path, method="POST", success=success or (302,))

    return (
        _page("providers/"),
        _page("providers/status/"),
        _page(one, path=at),
        # Without a key, or a name, the page comes back and says so.
        posted(f"{one}key/", f"{at}key/", 200),
        posted(f"{one}models/", f"{at}models/", 200),
        posted(f"{one}switch/", f"{at}switch/"),
        posted(f"{one}delete/", f"{at}delete/"),
        posted(f"{one}test/", f"{at}test/", 200),
        posted(f"{one}discover/", f"{at}discover/", 200),
        posted(f"{one}adopt/", f"{at}adopt/"),
        _page(model, path=model_at),
        posted(f"{model}raise/", f"{model_at}raise/"),
        posted(f"{model}remove/", f"{model_at}remove/"),
        _page("gateway/"),
        _page("gateway/policies/"),
        _page(rule, path=rule_at),
        posted(f"{rule}delete/", f"{rule_at}delete/"),
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
    _admin("memory-analytics"),
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
    _memory("embeddings", TENANT_ADMIN),
    _memory("embeddings", TENANT_ADMIN, method="POST", success=(202,)),
    _api(
        "agui",
        method="POST",
        body={"threadId": "matrix", "runId": "matrix", "messages": []},
    ),
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
    *_provider_rows(),
    *_provider_pages(),
    _api("attachments"),
    # Whoever is let through is told that a form is wanted; tests/app/attachments sends one.
    _api("attachments", method="POST", success=(415,)),
    _api(_FILE, path=_ONE_FILE),
    _api(f"{_FILE}/content", path=f"{_ONE_FILE}/content"),
    _api(f"{_FILE}/thumbnail", path=f"{_ONE_FILE}/thumbnail"),
    _api(_FILE, path=_ONE_FILE, method="DELETE", success=(204,)),
    *_prompt_rows(),
    *_memory_rows(),
    _memory("memory-policy", TENANT_ADMIN),
    _memory("memory-policy", TENANT_ADMIN, method="PUT", body={"learns": False}),
    *_guardrail_rows(),
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
