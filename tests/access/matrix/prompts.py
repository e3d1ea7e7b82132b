"""Prompts, their evaluations and experiments."""

from collections.abc import Mapping

from apps.accounts.permissions import CHAT_CONFIG_EDIT, TENANT_ADMIN
from tests.access.matrix.rows import Host, Row, behind

_PROMPT_MESSAGES = [{"role": "system", "text": "x"}]
_CASES = [{"assertions": [{"kind": "contains", "value": "x"}]}]


def prompt_rows() -> tuple[Row, ...]:
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
        return behind(route, CHAT_CONFIG_EDIT, path=path, shared=True, **values)

    def write(route: str, path: str, body: Mapping[str, object], *success: int) -> Row:
        return behind(
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
        behind(
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
