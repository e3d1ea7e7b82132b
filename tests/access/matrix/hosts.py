"""What both kinds of host serve, and what only the platform's does."""

from tests.access.matrix.rows import Access, Host, Row

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


def both_hosts() -> tuple[Row, ...]:
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


PLATFORM = (
    Row(host=Host.PLATFORM, route="", demands=Access.OPEN, success=_PASSED_ON),
    Row(host=Host.PLATFORM, route="signup/", demands=Access.OPEN, success=_PASSED_ON),
    Row(host=Host.PLATFORM, route="metrics", demands=Access.OPERATOR, hidden=True),
    # All of the admin's own routes; `test_console.py` walks each of them.
    Row(host=Host.PLATFORM, route="admin/", demands=Access.OPERATOR),
)
