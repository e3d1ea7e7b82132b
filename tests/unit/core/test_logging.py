import pytest

from apps.core import scope
from apps.core.ids import new_id
from apps.core.logging import add_scope, redact_secrets
from apps.core.scope import TenantRef


@pytest.mark.parametrize(
    "event",
    [
        {"password": "hunter2"},
        {"api_key": "hunter2"},
        {"headers": {"Authorization": "hunter2"}},
        {"payload": [{"refresh_token": "hunter2"}]},
        {"event": "called with Bearer hunter2hunter2"},
        {"url": "postgresql://karen:hunter2@db/karen"},
    ],
)
def test_secrets_never_reach_the_log(event: dict[str, object]) -> None:
    assert "hunter2" not in str(redact_secrets(None, "info", event))


def test_ordinary_fields_stay() -> None:
    event = {"event": "turn.ended", "completion_tokens": 5, "state": "completed"}

    assert redact_secrets(None, "info", dict(event)) == event


def test_a_line_names_tenant_and_correlation_id() -> None:
    ref = TenantRef(id=new_id(), slug="acme", schema="t_a")
    with scope.tenant_scope(ref), scope.correlation_scope("abcdefgh"):
        event = add_scope(None, "info", {"event": "x"})

    assert event["tenant"] == "acme"
    assert event["correlation_id"] == "abcdefgh"
