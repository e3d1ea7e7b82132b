"""Usage, budgets and estimates."""

from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN
from tests.access.matrix.rows import Host, Row, api


def usage_rows() -> tuple[Row, ...]:
    def managed(route: str, **values: object) -> Row:
        return Row(host=Host.WORKSPACE, route=route, demands=TENANT_ADMIN, shared=True, **values)  # type: ignore[arg-type]  # passed on as given

    budget = {"level": "tenant", "unit": "tokens", "period": "day", "amount": "1000"}
    one, one_page = "/api/v1/budgets/{budget}", "/usage/budgets/{budget}/"
    return (
        api("router/explain", method="POST", body={"text": "hello"}),
        api("usage"),
        api("usage.csv"),
        api("usage/calls"),
        api("usage/estimate", method="POST", body={"text": "hello", "model": "echo/plain"}),
        api("budgets"),
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
