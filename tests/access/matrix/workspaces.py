"""A workspace's own pages, its keys, and how one enters."""

from apps.accounts.permissions import CHAT_USER
from tests.access.matrix.rows import Access, Host, Row, api

WORKSPACE_ROWS = (
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
    api("keys"),
    api("keys", method="POST", body={"name": "matrix"}, success=(201,)),
    api("keys/<uuid:key_id>", path="/api/v1/keys/{key}", method="DELETE", success=(204,)),
    api("me"),
    api("tools"),
    api("models"),
    # The document is the same everywhere and holds nothing of the workspace.
    Row(host=Host.WORKSPACE, route="api/schema/", demands=Access.OPEN),
    Row(host=Host.WORKSPACE, route="api/docs/", demands=Access.OPEN),
    Row(host=Host.WORKSPACE, route="api/redoc/", demands=Access.OPEN),
)
