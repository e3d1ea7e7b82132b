"""Providers, their models, routing policies: REST and pages."""

from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN
from tests.access.matrix.rows import Host, Row, admin

_PROVIDER = "providers/<uuid:provider_id>"
_THE_PROVIDER = "/api/v1/providers/{provider}"
_PROVIDED = f"{_PROVIDER}/models/<uuid:model_id>"
_THE_PROVIDED = "/api/v1/providers/{provider}/models/{provided}"
_POLICY = "routing-policies/<uuid:policy_id>"
_THE_POLICY = "/api/v1/routing-policies/{policy}"


def provider_rows() -> tuple[Row, ...]:
    new = {"slug": "matrix", "base_url": "https://api.example.com/v1"}
    return (
        admin("providers"),
        admin("providers", method="POST", body=new, success=(201,)),
        Row(
            host=Host.WORKSPACE,
            route="api/v1/providers/status",
            demands=CHAT_USER,
            shared=True,
        ),
        admin(_PROVIDER, path=_THE_PROVIDER),
        admin(_PROVIDER, path=_THE_PROVIDER, method="PATCH", body={"label": "Other"}),
        admin(_PROVIDER, path=_THE_PROVIDER, method="DELETE", success=(204,)),
        admin(
            f"{_PROVIDER}/key", path=f"{_THE_PROVIDER}/key", method="PUT", body={"key": "sk-matrix"}
        ),
        admin(f"{_PROVIDER}/key", path=f"{_THE_PROVIDER}/key", method="DELETE"),
        # Its address is this machine, which a workspace's provider never reaches.
        admin(f"{_PROVIDER}/test", path=f"{_THE_PROVIDER}/test", method="POST"),
        admin(
            f"{_PROVIDER}/discover",
            path=f"{_THE_PROVIDER}/discover",
            method="POST",
            success=(409,),
        ),
        admin(f"{_PROVIDER}/models", path=f"{_THE_PROVIDER}/models"),
        admin(
            f"{_PROVIDER}/models",
            path=f"{_THE_PROVIDER}/models",
            method="POST",
            body={"name": "another"},
            success=(201,),
        ),
        admin(
            f"{_PROVIDER}/models",
            path=f"{_THE_PROVIDER}/models",
            method="PUT",
            body={"models": ["{provided}"]},
        ),
        admin(_PROVIDED, path=_THE_PROVIDED, method="PATCH", body={"label": "Other"}),
        admin(_PROVIDED, path=_THE_PROVIDED, method="DELETE", success=(204,)),
        admin("gateway/settings"),
        admin("gateway/settings", method="PATCH", body={"cache_ttl_s": 60}),
        admin("routing-policies"),
        admin("routing-policies", method="POST", body={"name": "matrix"}, success=(201,)),
        admin(_POLICY, path=_THE_POLICY),
        admin(_POLICY, path=_THE_POLICY, method="PATCH", body={"name": "Other"}),
        admin(_POLICY, path=_THE_POLICY, method="DELETE", success=(204,)),
    )


def _page(route: str, **values: object) -> Row:
    return Row(
        host=Host.WORKSPACE,
        route=f"settings/{route}",
        demands=TENANT_ADMIN,
        shared=True,
        **values,  # type: ignore[arg-type]  # passed on as given
    )


def provider_pages() -> tuple[Row, ...]:
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
