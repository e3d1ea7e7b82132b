"""Memories, their page, and what a workspace decides about memory."""

from apps.accounts.permissions import MEMORY_AUDIT, MEMORY_READ, MEMORY_WRITE, TENANT_ADMIN
from tests.access.matrix.rows import Host, Row, admin, behind

_MEMORY = "memories/<uuid:memory_id>"
_THE_MEMORY = "/api/v1/memories/{memory}"
_CHANGE = "memories/changes/<uuid:change_id>"
_THE_CHANGE = "/api/v1/memories/changes/{change}"


def memory_rows() -> tuple[Row, ...]:
    """Memories through REST and on their page; looking at a colleague's has its own permission."""

    def page(route: str, demands: str, **values: object) -> Row:
        return Row(host=Host.WORKSPACE, route=f"settings/memory/{route}", demands=demands, **values)  # type: ignore[arg-type]  # passed on as given

    one, the_one = "<uuid:memory_id>/", "/settings/memory/{memory}/"
    return (
        behind("memories", MEMORY_READ),
        behind("memories", MEMORY_WRITE, method="POST", body={"text": "tea"}, success=(201,)),
        behind("memories", MEMORY_WRITE, method="DELETE", body={"confirm": "forget everything"}),
        behind("memories/search", MEMORY_READ, method="POST", body={"query": "coffee"}),
        behind("memories/forget", MEMORY_WRITE, method="POST", body={"topic": "coffee"}),
        behind("memories/export", MEMORY_READ),
        behind("memories/entities", MEMORY_READ),
        behind("memories/graph", MEMORY_READ),
        behind(_MEMORY, MEMORY_READ, path=_THE_MEMORY),
        behind(_MEMORY, MEMORY_WRITE, path=_THE_MEMORY, method="PATCH", body={"pinned": True}),
        behind(_MEMORY, MEMORY_WRITE, path=_THE_MEMORY, method="DELETE", success=(204,)),
        behind(f"{_MEMORY}/history", MEMORY_READ, path=f"{_THE_MEMORY}/history"),
        behind(f"{_MEMORY}/why", MEMORY_READ, path=f"{_THE_MEMORY}/why"),
        behind(f"{_MEMORY}/restore", MEMORY_WRITE, path=f"{_THE_MEMORY}/restore", method="POST"),
        behind(
            "memories/merge",
            MEMORY_WRITE,
            method="POST",
            body={"into": "{memory}", "source_ids": ["{second_memory}"]},
            success=(201,),
        ),
        behind("memories/changes", MEMORY_READ),
        behind(_CHANGE, MEMORY_READ, path=_THE_CHANGE),
        behind(f"{_CHANGE}/undo", MEMORY_WRITE, path=f"{_THE_CHANGE}/undo", method="POST"),
        behind(
            "people/<uuid:user_id>/memories",
            MEMORY_AUDIT,
            path="/api/v1/people/{owner}/memories?reason=They+asked+for+it",
            shared=True,
        ),
        page("", MEMORY_READ, path="/settings/memory/"),
        page("names/", MEMORY_READ),
        page("profile/", MEMORY_READ),
        page("about/", MEMORY_READ, path="/settings/memory/about/?name=coffee"),
        page("changes/", MEMORY_READ),
        page(
            "changes/<uuid:change_id>/undo/",
            MEMORY_WRITE,
            path="/settings/memory/changes/{change}/undo/",
            method="POST",
            success=(302,),
        ),
        # Without words there is nothing to keep; tests/app/web sends some.
        page("again/", MEMORY_WRITE, method="POST", success=(404,)),
        page("add/", MEMORY_WRITE, method="POST"),
        page("forget/", MEMORY_WRITE, method="POST"),
        page("forget-everything/", MEMORY_WRITE, method="POST"),
        page(one, MEMORY_READ, path=the_one),
        page(f"{one}change/", MEMORY_WRITE, path=f"{the_one}change/", method="POST"),
        page(f"{one}mark/", MEMORY_WRITE, path=f"{the_one}mark/", method="POST", success=(302,)),
        page(f"{one}forget/", MEMORY_WRITE, path=f"{the_one}forget/", method="POST"),
        page(
            f"{one}restore/", MEMORY_WRITE, path=f"{the_one}restore/", method="POST", success=(302,)
        ),
        page(f"{one}merge/", MEMORY_WRITE, path=f"{the_one}merge/"),
        page(f"{one}merge/", MEMORY_WRITE, path=f"{the_one}merge/", method="POST"),
        admin("memory-analytics"),
        behind("memory-policy", TENANT_ADMIN),
        behind("memory-policy", TENANT_ADMIN, method="PUT", body={"learns": False}),
        behind("embeddings", TENANT_ADMIN),
        behind("embeddings", TENANT_ADMIN, method="POST", success=(202,)),
    )
