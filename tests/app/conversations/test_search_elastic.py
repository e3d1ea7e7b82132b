"""The same search by Elasticsearch, tried with a wire-compatible server from a wheel."""

from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from prometheus_client import generate_latest

from apps.conversations.models.search import MessageIndex, SearchExport
from apps.conversations.search import elastic, export, indexing, upkeep
from apps.core import scope
from apps.core.scope import TenantRef
from apps.jobs import task as jobs_task
from tests.app.conversations.search_scene import told
from tests.factories import twin_conversations
from tests.fixtures.database import World
from tests.fixtures.elastic import Server
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(committed: World, people: People, browser_of: BrowserOf, elasticsearch: Server) -> Ask:
    """Search as acme's owner, or as somebody else, after everything was sent."""

    def asked(
        q: str, *, who: UUID | None = None, tenant: TenantRef | None = None, **more: Any
    ) -> dict[str, Any]:
        client = browser_of(who or people.ann, tenant or committed.acme)
        answer = client.get("/api/v1/search", {"q": q, **more})
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body

    return asked


def send(*refs: TenantRef) -> None:
    """Send what waits, and make it findable."""
    for ref in refs:
        with scope.tenant_scope(ref):
            export.export_waiting()
    with elastic._asking(5) as client:
        client.indices.refresh(index=elastic.write_alias())


def found(body: dict[str, Any]) -> set[str]:
    assert body["missing"] == []
    return {hit["message_id"] or hit["conversation_id"] for hit in body["results"]}


def test_it_finds_words_forms_phrases_beginnings_typos_and_titles(
    committed: World, people: People, ask: Ask
) -> None:
    conversation, (first, second) = told(
        committed.acme,
        people.ann,
        "Running tests in New York, 全文検索",
        "york is new",
        title="Holiday plans",
    )
    send(committed.acme)

    assert found(ask("run test ")) == {str(first)}
    assert found(ask('"new york"')) == {str(first)}
    assert found(ask("runn")) == {str(first)}
    assert found(ask("検索")) == {str(first)}
    assert found(ask("york -running ")) == {str(second)}
    assert found(ask("holidya ")) == {str(conversation)}
    assert ask("holidya ")["results"][0]["fragments"][0] == {"text": "Holiday", "marked": True}


def test_filters_narrow_there_too(committed: World, people: People, ask: Ask) -> None:
    conversation, (question, answer) = told(
        committed.acme,
        people.ann,
        "topic",
        "topic",
        parts=[{"type": "attachment", "name": "a.pdf"}],
    )
    told(committed.acme, people.ann, "topic elsewhere", at=None)
    send(committed.acme)

    here = {"conversation": str(conversation)}
    assert found(ask("topic", **here)) == {str(question), str(answer)}
    assert found(ask("topic", role="assistant", **here)) == {str(answer)}
    assert found(ask("topic", author="me", **here)) == {str(question)}
    assert found(ask("topic", has_file="true")) == {str(question)}
    assert found(ask("topic", model="echo/plain")) == {str(answer)}
    assert found(ask("topic", before="2001-01-01T00:00:00Z")) == set()


def test_neither_other_people_nor_other_workspaces_are_found(
    committed: World, people: People, ask: Ask
) -> None:
    refs = (committed.acme, committed.globex)
    conversation, message = twin_conversations(owner_id=people.bea, tenants=refs)
    for ref in refs:
        with scope.tenant_scope(ref), scope.correlation_scope():
            indexing.index_conversation(conversation_id=conversation)
    send(*refs)

    for ref in refs:
        (hit,) = ask("secret", who=people.bea, tenant=ref)["results"]
        assert hit["message_id"] == str(message)
        assert hit["snippet"] == f"secret of {ref.slug}"
    assert ask("secret", who=people.ann)["results"] == []


def test_a_document_that_should_not_be_there_is_not_shown(
    committed: World, people: People, ask: Ask
) -> None:
    """PostgreSQL has the last word: a stale or forged document finds nothing."""
    _, (message,) = told(committed.acme, people.bea, "treasure map")
    with scope.tenant_scope(committed.acme):
        (document,) = [d for d in export._documents(MessageIndex.objects.all()) if d["role"]]
        forged = {**document, "owner_id": str(people.ann)}
        elastic.write_documents(
            tenant_id=committed.acme.id, documents=[forged], gone=[], refresh=True
        )

    assert ask("treasure")["results"] == []
    assert str(message) == forged["entry_id"]


def test_what_is_deleted_is_forgotten(
    committed: World, people: People, browser_of: BrowserOf, ask: Ask
) -> None:
    conversation, _ = told(committed.acme, people.ann, "forget me", title="gone soon")
    send(committed.acme)

    client = browser_of(people.ann, committed.acme)
    assert client.delete(f"/api/v1/conversations/{conversation}").status_code == 204
    send(committed.acme)

    with elastic._asking(5) as es:
        assert es.count(index=elastic.read_alias())["count"] == 0


def test_when_it_is_away_postgresql_answers_and_says_so(
    committed: World, people: People, ask: Ask, elasticsearch: Server
) -> None:
    _, (message,) = told(committed.acme, people.ann, "still here")
    elasticsearch.stop()
    try:
        for _ in range(2):
            body = ask("still")
            assert [hit["message_id"] for hit in body["results"]] == [str(message)]
            assert body["degraded"] is True
            assert "elasticsearch" in body["missing"]
    finally:
        elasticsearch.start()


def test_what_could_not_be_sent_waits_and_the_lag_shows(
    committed: World, people: People, ask: Ask, elasticsearch: Server
) -> None:
    elasticsearch.stop()
    told(committed.acme, people.ann, "wait for me")
    try:
        with scope.tenant_scope(committed.acme):
            upkeep.export_waiting()
            assert SearchExport.objects.count() == 2
        rows, seconds = export.measure_lag([committed.acme, committed.globex])
        assert rows == 2
        assert seconds > 0
        shown = generate_latest().decode()
        assert "karen_search_lag_rows 2.0" in shown
        assert not elastic.answers()
    finally:
        elasticsearch.start()
    elastic.pause.end()

    send(committed.acme)

    assert elastic.answers()
    assert export.measure_lag([committed.acme]) == (0, 0.0)
    assert len(ask("wait")["results"]) == 1


def test_a_rebuild_fills_a_new_index_and_swaps_it_in(
    committed: World, people: People, ask: Ask
) -> None:
    told(committed.acme, people.ann, "number one")
    told(committed.globex, people.gus, "number one of globex")
    send(committed.acme, committed.globex)
    with elastic._asking(5) as es:
        before = list(es.indices.get_alias(name=elastic.read_alias()))

    out = StringIO()
    call_command("rebuild_search", stdout=out)

    with elastic._asking(5) as es:
        after = list(es.indices.get_alias(name=elastic.read_alias()))
        assert list(es.indices.get(index=f"{elastic.read_alias()}-v*")) == after
        assert es.count(index=elastic.read_alias())["count"] == 4
    assert before != after
    assert "2 workspaces: 4 texts, 4 documents" in out.getvalue()
    assert len(ask("number")["results"]) == 1


def test_searches_and_writes_go_on_during_a_rebuild(
    committed: World, people: People, ask: Ask
) -> None:
    told(committed.acme, people.ann, "old news")
    send(committed.acme)

    index = elastic.begin_rebuild()
    assert len(ask("news")["results"]) == 1  # the old index still answers
    told(committed.acme, people.ann, "fresh news")
    send(committed.acme)  # into the new one
    with scope.tenant_scope(committed.acme):
        export.refill_tenant(index=index, tell=lambda _done: None)
    elastic.finish_rebuild(name=index)

    assert len(ask("news")["results"]) == 2


def test_an_export_and_a_search_before_any_index_make_no_mistake(
    committed: World, people: People, ask: Ask
) -> None:
    _, (message,) = told(committed.acme, people.ann, "first of all")

    body = ask("first")  # there is no index yet: PostgreSQL answers

    assert [hit["message_id"] for hit in body["results"]] == [str(message)]
    assert "elasticsearch" in body["missing"]
    elastic.pause.end()
    send(committed.acme)
    elastic.ensure_index()  # a second time changes nothing
    assert found(ask("first")) == {str(message)}


def test_one_workspace_is_rebuilt_in_place(committed: World, people: People, ask: Ask) -> None:
    told(committed.acme, people.ann, "number one")
    told(committed.globex, people.gus, "number two")
    send(committed.acme, committed.globex)

    call_command("rebuild_search", tenant="acme", stdout=StringIO())
    send()

    with elastic._asking(5) as es:
        assert es.count(index=elastic.read_alias())["count"] == 4
    assert len(ask("number")["results"]) == 1


def test_a_rebuild_without_a_server_says_what_happened(
    committed: World, people: People, elasticsearch: Server
) -> None:
    elasticsearch.stop()
    try:
        with pytest.raises(CommandError, match="Elasticsearch does not answer"):
            call_command("rebuild_search", stdout=StringIO())
    finally:
        elasticsearch.start()


def test_an_export_leaves_time_for_the_last_request(
    committed: World, people: People, elasticsearch: Server
) -> None:
    told(committed.acme, people.ann, "late")
    token = jobs_task._deadline.set(0.0)  # long past
    try:
        with scope.tenant_scope(committed.acme):
            assert export.export_waiting() == 0
    finally:
        jobs_task._deadline.reset(token)
