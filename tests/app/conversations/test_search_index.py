"""How the index follows the conversations, and how much search answers when parts are away."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import Client

from apps.conversations import orchestrator, services
from apps.conversations.contracts import ConversationOptions, NewMessage
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.search import MessageIndex, MessageVector, SearchWord
from apps.conversations.permissions import CHAT
from apps.conversations.search import indexing, upkeep
from apps.conversations.search.contracts import Filters, SearchQuery
from apps.conversations.search.outbox import INDEX_TASK
from apps.conversations.search.service import find_messages
from apps.core import scope
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import OutboxEntry
from apps.providers import registry
from tests.app.conversations.search_scene import told
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]
Find = Callable[..., list[str]]


@pytest.fixture
def find(committed: World, people: People, browser_of: BrowserOf) -> Find:
    """Search as somebody; return what was found."""

    def found(q: str, *, who: UUID | None = None, **more: Any) -> list[str]:
        client = browser_of(who or people.ann, committed.acme)
        body = client.get("/api/v1/search", {"q": q, **more}).json()
        return [hit["message_id"] or hit["conversation_id"] for hit in body["results"]]

    return found


def eventually(check: Callable[[], bool], *, seconds: float = 20) -> bool:
    """Ask again until it is so, or time is up."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if check():
            return True
        pause.wait(0.1)
    return False


def test_a_question_and_its_answer_are_found_once_the_turn_ended(
    worker: World, people: People, actor_in: ActorIn, find: Find
) -> None:
    ann = actor_in(people.ann, worker.acme)

    sent = send(actor=ann, tenant=worker.acme, text="tell me about zirconium")

    assert eventually(lambda: len(find("zirconium")) >= 2)
    assert str(sent.message_id) in find("zirconium")


def test_a_title_follows_a_rename(
    worker: World, people: People, browser_of: BrowserOf, find: Find
) -> None:
    conversation, _ = told(worker.acme, people.ann, "hello", title="Old name")

    browser_of(people.ann, worker.acme).patch(
        f"/api/v1/conversations/{conversation}",
        {"title": "Brandnew name"},
        content_type="application/json",
    )

    assert eventually(lambda: find("brandnew") == [str(conversation)])
    assert find('"old name"') == []


def test_what_is_deleted_is_not_found_and_leaves_no_word(
    committed: World, people: People, browser_of: BrowserOf, find: Find
) -> None:
    conversation, _ = told(committed.acme, people.ann, "xylophone", embed=True)
    assert find("xylophone")

    browser_of(people.ann, committed.acme).delete(f"/api/v1/conversations/{conversation}")
    upkeep.tidy()

    assert find("xylophone") == []
    with scope.tenant_scope(committed.acme):
        assert not MessageIndex.objects.exists()
        assert not MessageVector.objects.exists()
        assert not SearchWord.objects.filter(pk="xylophone").exists()


def test_tidying_keeps_words_that_are_used(committed: World, people: People) -> None:
    told(committed.acme, people.ann, "marimba")

    upkeep.tidy()

    with scope.tenant_scope(committed.acme):
        assert SearchWord.objects.filter(pk="marimba").exists()


def test_temporary_conversations_are_never_indexed(
    committed: World, people: People, actor_in: ActorIn, find: Find
) -> None:
    ann = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        view = services.start_conversation(
            actor=ann, permission=CHAT, options=ConversationOptions(title="secretive")
        )
        Conversation.objects.filter(pk=view.id).update(temporary=True)
        accepted = services.send_message(
            actor=ann,
            permission=CHAT,
            message=NewMessage(
                conversation_id=view.id,
                client_message_id="t",
                text="whispered secretive",
                models=("echo/plain",),
            ),
        )
        orchestrator.run_turn(turn_id=accepted.turn_id)
        assert indexing.index_conversation(conversation_id=view.id) == 0
        assert indexing.list_missed() == []
        assert not OutboxEntry.objects.filter(task=INDEX_TASK).exists()

    assert find("secretive") == []


def test_one_that_becomes_temporary_is_not_found_even_when_indexed(
    committed: World, people: People, find: Find
) -> None:
    conversation, _ = told(committed.acme, people.ann, "was public")
    with scope.tenant_scope(committed.acme):
        Conversation.objects.filter(pk=conversation).update(temporary=True)

    assert find("public") == []


def test_participants_find_what_they_take_part_in(
    committed: World, people: People, find: Find
) -> None:
    conversation, (message,) = told(committed.acme, people.ann, "shared pumpkin")
    assert find("pumpkin", who=people.bea) == []

    with scope.tenant_scope(committed.acme):
        Participant.objects.create(
            conversation_id=conversation, user_id=people.bea, added_by=people.ann
        )

    assert find("pumpkin", who=people.bea) == [str(message)]


def test_filters_on_conversations(committed: World, people: People, find: Find) -> None:
    conversation, (message,) = told(committed.acme, people.ann, "filed away")
    _, (other,) = told(committed.acme, people.ann, "filed elsewhere")
    with scope.tenant_scope(committed.acme):
        row = Conversation.objects.get(pk=conversation)
        Conversation.objects.filter(pk=conversation).update(
            pinned_at=row.created_at, archived_at=row.created_at, tags=["work"]
        )

    for wanted in ({"pinned": "true"}, {"archived": "true"}, {"tag": "work"}):
        assert find("filed", **wanted) == [str(message)], wanted
    for unwanted in ({"pinned": "false"}, {"archived": "false"}):
        assert find("filed", **unwanted) == [str(other)], unwanted
    assert find("filed", tag="play") == []
    assert find("filed", folder=str(conversation)) == []


def test_indexing_at_the_same_time_leaves_one_row_for_each_text(
    committed: World, people: People
) -> None:
    conversation, ids = told(committed.acme, people.ann, "one", "two", "three")

    def index(_number: int) -> None:
        try:
            indexing.index_conversation(conversation_id=conversation, again=True)
        finally:
            connections.close_all()

    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(copy_context().run, index, n) for n in range(16)]
            for job in jobs:
                job.result(30)
        assert set(MessageIndex.objects.values_list("pk", flat=True)) == {conversation, *ids}


def test_indexing_what_is_up_to_date_writes_nothing(committed: World, people: People) -> None:
    conversation, ids = told(committed.acme, people.ann, "one", "two")

    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        assert indexing.index_conversation(conversation_id=conversation) == 0
        Message.objects.filter(pk=ids[1]).update(parts=[{"type": "text", "text": "rewritten"}])
        assert indexing.index_conversation(conversation_id=conversation) == 1


def test_several_conversations_are_indexed_together(
    committed: World, people: People, find: Find
) -> None:
    one, (first,) = told(committed.acme, people.ann, "a walrus")
    two, (second,) = told(committed.acme, people.ann, "another walrus")
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        MessageIndex.objects.all().delete()

        written = indexing.index_conversations(conversation_ids=[one, two, new_id()])

    assert written == 4  # two titles as well
    assert set(find("walrus")) == {str(first), str(second)}


def test_a_deletion_under_way_costs_the_others_nothing(
    committed: World, people: People, find: Find
) -> None:
    kept, (message,) = told(committed.acme, people.ann, "a walrus")
    doomed, _ = told(committed.acme, people.ann, "another walrus")
    deleting, go_on = threading.Event(), threading.Event()

    def delete() -> None:
        try:
            with transaction.atomic():
                Message.objects.filter(conversation=doomed).delete()
                deleting.set()
                go_on.wait(10)
                Conversation.objects.filter(pk=doomed).delete()
        finally:
            connections.close_all()

    def index() -> int:
        try:
            return indexing.index_conversations(conversation_ids=[doomed, kept])
        finally:
            connections.close_all()

    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        MessageIndex.objects.all().delete()
        with ThreadPoolExecutor(2) as pool:
            deletion = pool.submit(copy_context().run, delete)
            assert deleting.wait(10)
            indexed = pool.submit(copy_context().run, index)
            assert eventually(lambda: find("walrus") == [str(message)])
            assert indexed.result(10) == 2  # the message and the title of the one that stays
            go_on.set()
            deletion.result(10)

    assert find("walrus") == [str(message)]


def test_answers_that_are_still_written_are_left_for_later(
    committed: World, people: People
) -> None:
    conversation, ids = told(committed.acme, people.ann, "question", "half an ans")
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        MessageIndex.objects.filter(pk=ids[1]).delete()
        Message.objects.filter(pk=ids[1]).update(status="streaming")
        assert indexing.index_conversation(conversation_id=conversation) == 0


def test_what_was_missed_is_found_and_written_later(
    worker: World, people: People, find: Find
) -> None:
    conversation, (message,) = told(worker.acme, people.ann, "lost in a crash")
    with scope.tenant_scope(worker.acme):
        MessageIndex.objects.all().delete()
        assert indexing.list_missed() == [conversation]
    assert find("crash") == []

    with scope.correlation_scope():
        upkeep.catch_up()

    assert eventually(lambda: find("crash") == [str(message)])
    with scope.tenant_scope(worker.acme):
        assert indexing.list_missed() == []


def test_a_rebuild_writes_everything_again(committed: World, people: People, find: Find) -> None:
    _, (message,) = told(committed.acme, people.ann, "rebuild me")
    with scope.tenant_scope(committed.acme):
        MessageIndex.objects.all().delete()
        SearchWord.objects.all().delete()
    assert find("rebuild") == []

    out = StringIO()
    call_command("rebuild_search", tenant="acme", stdout=out)

    assert find("rebuild") == [str(message)]
    assert "1 workspaces: 2 texts" in out.getvalue()
    with pytest.raises(CommandError, match="no active workspace nowhere"):
        call_command("rebuild_search", tenant="nowhere", stdout=StringIO())


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"w{n}" for n in range(60_000)),
        " ".join(chr(0x10330 + n % 26) + chr(0x10330 + n // 26 % 26) for n in range(60_000)),
        "".join(chr(0x4E00 + n % 20_000) for n in range(100_000)),
        "x" * 300_000,
        "\u0301" * 5_000,
    ],
    ids=["words", "four-byte letters", "ideographs", "one word", "marks"],
)
def test_huge_messages_are_indexed_and_found(
    committed: World, people: People, find: Find, text: str
) -> None:
    _, (message,) = told(committed.acme, people.ann, f"needle {text}")

    assert find("needle ") == [str(message)]


def test_what_is_indexed_while_it_is_deleted_goes_with_it(
    committed: World, people: People, actor_in: ActorIn
) -> None:
    conversation, _ = told(committed.acme, people.ann, *[f"text {n}" for n in range(40)])
    ann = actor_in(people.ann, committed.acme)
    begin = threading.Barrier(5)

    def index() -> None:
        begin.wait(10)
        try:
            for _ in range(5):
                indexing.index_conversation(conversation_id=conversation, again=True)
        finally:
            connections.close_all()

    def delete() -> None:
        begin.wait(10)
        try:
            services.delete_conversation(actor=ann, conversation_id=conversation, permission=CHAT)
        finally:
            connections.close_all()

    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        with ThreadPoolExecutor(5) as pool:
            for job in [
                pool.submit(copy_context().run, work)
                for work in (index, index, delete, index, index)
            ]:
                job.result(60)
        assert not MessageIndex.objects.exists()


# -- meaning


needs_model = pytest.mark.skipif(not indexing.can_embed(), reason="no embedding model is installed")


@needs_model
def test_what_means_the_same_is_found_without_a_common_word(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    _, (pasta, _) = told(
        committed.acme,
        people.ann,
        "How long should I boil spaghetti?",
        "The train to Berlin leaves at noon.",
        embed=True,
    )
    body = browser_of(people.ann, committed.acme).get("/api/v1/search", {"q": "cooking pasta "})

    hit = body.json()["results"][0]
    assert hit["message_id"] == str(pasta)
    assert hit["matched"] == ["meaning"]
    assert hit["fragments"] == [{"text": "How long should I boil spaghetti?", "marked": False}]


@needs_model
def test_meaning_obeys_exclusions_filters_and_owners(
    committed: World, people: People, find: Find
) -> None:
    told(committed.acme, people.ann, "How long should I boil spaghetti?", embed=True)

    assert find("cooking pasta -spaghetti ") == []
    assert find("cooking pasta ", role="assistant") == []
    assert find('"cooking pasta" ') == []  # quotes ask for these words
    assert find("cooking pasta ", who=people.bea) == []


# -- what is away


@contextmanager
def renamed(tenant: TenantRef, statement: str, back: str) -> Iterator[None]:
    """Break a table of one workspace for a while."""
    with scope.tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute(statement)
    try:
        yield
    finally:
        with scope.tenant_scope(tenant), connection.cursor() as cursor:
            cursor.execute(back)


def without_words(tenant: TenantRef) -> Any:
    column = "ALTER TABLE conversations_messageindex RENAME COLUMN"
    return renamed(tenant, f"{column} words TO away", f"{column} away TO words")


def without_vectors(tenant: TenantRef) -> Any:
    table = "conversations_messagevector"
    return renamed(
        tenant, f"ALTER TABLE {table} RENAME TO away", f"ALTER TABLE away RENAME TO {table}"
    )


@needs_model
def test_without_full_text_meaning_still_finds_and_says_so(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    _, (message,) = told(committed.acme, people.ann, "How long to boil pasta?", embed=True)
    client = browser_of(people.ann, committed.acme)

    with without_words(committed.acme):
        answer = client.get("/api/v1/search", {"q": "boil pasta "})

    body = answer.json()
    assert [hit["message_id"] for hit in body["results"]] == [str(message)]
    assert (body["degraded"], body["missing"]) == (True, ["words"])


def test_without_vectors_words_still_find_and_it_says_so(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    _, (message,) = told(committed.acme, people.ann, "boil pasta")
    client = browser_of(people.ann, committed.acme)

    with without_vectors(committed.acme):
        body = client.get("/api/v1/search", {"q": "boil"}).json()

    assert [hit["message_id"] for hit in body["results"]] == [str(message)]
    assert (body["degraded"], body["missing"]) == (True, ["meaning"])


def test_without_an_embedding_model_words_still_find(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    _, (message,) = told(committed.acme, people.ann, "boil pasta")
    client = browser_of(people.ann, committed.acme)
    present = dict(registry._embedders)
    registry._embedders.clear()
    try:
        body = client.get("/api/v1/search", {"q": "boil"}).json()
        told(committed.acme, people.ann, "indexed without a model")
    finally:
        registry._embedders.update(present)

    assert [hit["message_id"] for hit in body["results"]] == [str(message)]
    assert body["missing"] == ["meaning"]


def test_when_nothing_can_be_asked_the_search_says_so(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    told(committed.acme, people.ann, "boil pasta")
    client = browser_of(people.ann, committed.acme)

    with without_words(committed.acme), without_vectors(committed.acme):
        answer = client.get("/api/v1/search", {"q": "boil"})

    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "search_unavailable"
    assert answer.json()["error"]["retryable"] is True


# -- who may


def test_nobody_in_particular_and_people_without_chat_find_nothing(
    committed: World, people: People, actor_in: ActorIn
) -> None:
    with scope.tenant_scope(committed.acme):
        with pytest.raises(PermissionDenied):
            find_messages(actor_in(people.eve, committed.acme), SearchQuery(text="x"))
        with pytest.raises(NotAuthenticated):
            find_messages(scope.ANONYMOUS, SearchQuery(text="x"))
        ann = actor_in(people.ann, committed.acme)
        assert find_messages(ann, SearchQuery(filters=Filters())).hits == ()
