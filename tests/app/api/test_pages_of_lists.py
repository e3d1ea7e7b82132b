"""Cursor pages: complete, without repeats, also while rows come and go."""

import base64
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.accounts.permissions import CHAT_USER
from apps.conversations import services as conversations
from apps.conversations.contracts import ConversationOptions
from apps.core import scope
from apps.core.scope import Actor, TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]

LIST = "/api/v1/conversations"


@pytest.fixture
def start(committed: World, people: People, actor_in: ActorIn) -> Callable[[str], str]:
    ann = actor_in(people.ann, committed.acme)

    def one(title: str) -> str:
        with scope.tenant_scope(committed.acme), scope.actor_scope(ann):
            view = conversations.start_conversation(
                actor=ann, permission=CHAT_USER, options=ConversationOptions(title=title)
            )
        return view.title

    return one


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


def _pages(client: Client, size: int) -> Iterator[dict[str, Any]]:
    query: dict[str, Any] = {"page_size": size}
    while True:
        page = client.get(LIST, query).json()
        yield page
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


def test_pages_add_up_to_the_list_newest_first(ann: Client, start: Callable[[str], str]) -> None:
    titles = [start(f"c{number}") for number in range(7)]

    pages = list(_pages(ann, 3))

    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    assert [row["title"] for page in pages for row in page["results"]] == titles[::-1]


def test_a_list_that_fits_has_no_next_page(ann: Client, start: Callable[[str], str]) -> None:
    start("only")

    assert ann.get(LIST, {"page_size": 1}).json()["next"] is None


def test_a_row_added_meanwhile_moves_nothing(ann: Client, start: Callable[[str], str]) -> None:
    for number in range(4):
        start(f"c{number}")
    pages = _pages(ann, 2)
    first = next(pages)
    start("late")

    rest = [row["title"] for page in pages for row in page["results"]]

    assert [row["title"] for row in first["results"]] == ["c3", "c2"]
    assert rest == ["c1", "c0"]


@pytest.mark.parametrize("size", ["0", "101", "-1", "many", "1.5", "", "٣", "9" * 30])
def test_a_page_size_that_is_none_is_refused(ann: Client, size: str) -> None:
    answer = ann.get(LIST, {"page_size": size})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"]["page_size"]


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "not a cursor",
        "ü",
        _cursor("{}"),
        _cursor("[1, 2]"),
        _cursor('["2026-01-01T00:00:00Z"]'),
        _cursor('["yesterday", "01a1fd44-bbf1-7480-93c7-933bc87d889c"]'),
        _cursor('["2026-01-01T00:00:00Z", "not-an-id"]'),
        _cursor("[" * 50_000),
    ],
)
def test_a_cursor_we_never_gave_is_refused(ann: Client, cursor: str) -> None:
    answer = ann.get(LIST, {"cursor": cursor})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"]["cursor"]
