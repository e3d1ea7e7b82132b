"""Guardrails."""

from apps.accounts.permissions import TENANT_ADMIN
from tests.access.matrix.rows import Host, Row


def guardrail_rows() -> tuple[Row, ...]:
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
