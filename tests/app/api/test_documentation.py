"""The OpenAPI document and its pages: complete, offline, under the strict policy."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import yaml
from django.test import Client

from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]


@pytest.fixture
def document(committed: World) -> dict[str, Any]:
    answer = Client(HTTP_HOST="acme.localhost").get("/api/schema/")
    loaded: dict[str, Any] = yaml.safe_load(answer.content)
    return loaded


def test_every_operation_tells_of_the_error_envelope(document: dict[str, Any]) -> None:
    operations = [op for path in document["paths"].values() for op in path.values()]

    assert len(operations) >= 12
    for operation in operations:
        for status in ("4XX", "5XX"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorEnvelope"}


def test_the_envelope_in_the_document_is_the_one_we_send(
    committed: World, document: dict[str, Any]
) -> None:
    sent = Client(HTTP_HOST="acme.localhost").get("/api/v1/me").json()
    described = document["components"]["schemas"]["ErrorEnvelope"]["properties"]["error"]

    assert set(sent["error"]) <= set(described["properties"])
    assert set(described["required"]) <= set(sent["error"])


def test_lists_are_described_as_the_pages_they_are(document: dict[str, Any]) -> None:
    lists = [
        path["get"]
        for path in document["paths"].values()
        if path.get("get", {}).get("operationId", "").endswith("_list")
    ]

    assert len(lists) >= 3
    for operation in lists:
        reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        page = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert set(page["properties"]) == {"results", "next"}


def test_the_document_holds_the_version_1_addresses_only(document: dict[str, Any]) -> None:
    assert {path[:8] for path in document["paths"]} == {"/api/v1/"}
    assert "/api/v1/me" in document["paths"]


@pytest.mark.parametrize("page", ["/api/docs/", "/api/redoc/"])
def test_the_pages_need_no_other_server_and_no_inline_script(committed: World, page: str) -> None:
    answer = Client(HTTP_HOST="acme.localhost").get(page)
    text = answer.content.decode()
    policy = answer.headers["Content-Security-Policy"]
    scripts = re.search(r"script-src ([^;]*)", policy)

    assert answer.status_code == 200
    assert "https://" not in text
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert "<style" not in text
    assert scripts is not None
    assert scripts[1] == "'self'"
    assert "default-src 'none'" in policy


def test_me_names_the_caller_and_the_workspace(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    me = browser_of(people.bea, committed.globex).get("/api/v1/me").json()

    assert me["id"] == str(people.bea)
    assert me["label"] == "Bea"
    assert "chat.user" in me["permissions"]
    assert me["permissions"] == sorted(me["permissions"])
    assert me["workspace"] == {
        "id": str(committed.globex.id),
        "slug": "globex",
        "name": "Globex",
    }
