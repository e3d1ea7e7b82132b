"""Exports and imports through REST: what goes out comes in again, once, or says where it fails."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.transfer import Import
from apps.conversations.services import changes, transfer
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import tenant_db
from apps.jobs.models import Lease, OutboxEntry
from apps.jobs.reaper import reap_leases
from tests.app.conversations.features import Person


def chatgpt(title: str, *texts: str) -> dict[str, Any]:
    """A conversation as ChatGPT writes it: an empty root, then one message after the other."""
    mapping: dict[str, Any] = {"root": {"message": None, "parent": None, "children": []}}
    parent = "root"
    for index, text in enumerate(texts):
        role = "assistant" if index % 2 else "user"
        mapping[str(index)] = {
            "parent": parent,
            "children": [],
            "message": {
                "author": {"role": role},
                "create_time": 1700000000.0 + index,
                "content": {"content_type": "text", "parts": [text]},
                "metadata": {"model_slug": "gpt-4o"},
            },
        }
        parent = str(index)
    return {"title": title, "create_time": 1700000000.0, "mapping": mapping, "current_node": parent}


async def exported(person: Person, conversation_id: object, kind: str) -> dict[str, Any]:
    """Download through the whole ASGI application; the body comes in pieces."""
    from karen_site.asgi import application  # sets the web role; only where it is needed

    cookie = person.client.cookies[settings.SESSION_COOKIE_NAME].value
    headers = [
        (b"host", b"acme.localhost"),
        (b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()),
    ]
    path = f"/api/v1/conversations/{conversation_id}/export?format={kind}"
    communicator = HttpCommunicator(application, "GET", path, headers=headers)
    await communicator.send_input({"type": "http.request", "body": b""})
    start = await communicator.receive_output(timeout=20)
    body = b""
    more = True
    while more:
        chunk = await communicator.receive_output(timeout=20)
        body += chunk.get("body", b"")
        more = chunk.get("more_body", False)
    await communicator.wait()
    return {**start, "body": body}


def header(answer: Any, name: bytes) -> str:
    return next(str(value, "ascii") for key, value in answer["headers"] if key.lower() == name)


def branched(person: Person) -> UUID:
    """A conversation with two branches, a command, a pin, and a title of letters from afar."""
    sent = person.answered("first")
    person.answered("second", sent.conversation_id)
    person.say("first, edited", sent.conversation_id, edit_of=str(sent.message_id))
    person.say("/mode code", sent.conversation_id)
    person.ask("PUT", f"messages/{sent.message_id}/pin")
    person.ask("PATCH", f"conversations/{sent.conversation_id}", {"title": "Grüße / 你好"})
    return sent.conversation_id


async def test_an_export_holds_every_branch_and_is_the_same_each_time(
    owner: Person,
) -> None:
    with scope.tenant_scope(owner.world.acme):
        here = await tenant_db(branched, owner)

    answer = await exported(owner, here, "json")
    again = await exported(owner, here, "json")

    document = json.loads(answer["body"])
    assert answer["status"] == 200
    assert answer["body"] == again["body"]
    assert (document["format"], document["version"]) == ("karen.conversation", 1)
    assert document["conversation"]["title"] == "Grüße / 你好"
    texts = [message["text"] for message in document["messages"]]
    assert texts[:5] == ["first", "first", "second", "second", "first, edited"]
    assert 'filename="gr-e.json"' in header(answer, b"content-disposition")


async def test_markdown_shows_the_branch_that_is_shown(owner: Person) -> None:
    with scope.tenant_scope(owner.world.acme):
        here = await tenant_db(branched, owner)

    answer = await exported(owner, here, "markdown")

    text = answer["body"].decode()
    assert text.startswith("# Grüße / 你好\n")
    assert "## Person\n\nfirst, edited\n" in text
    assert "second" not in text
    assert "/mode" not in text
    assert header(answer, b"content-type").startswith("text/markdown")


async def test_what_was_exported_is_imported_as_it_was_and_only_once(
    owner: Person,
) -> None:
    with scope.tenant_scope(owner.world.acme):
        here = await tenant_db(branched, owner)
    document = json.loads((await exported(owner, here, "json"))["body"])

    def take_in() -> tuple[Any, Any]:
        first = owner.ask("POST", "conversations/import", document)
        return first, owner.ask("POST", "conversations/import", document)

    with scope.tenant_scope(owner.world.acme):
        first, second = await tenant_db(take_in)
        copy_id = first["items"][0]["conversation_id"]
        copy = await tenant_db(owner.messages, copy_id)
        source = await tenant_db(owner.messages, here)

    def tree(messages: dict[str, Any]) -> list[Any]:
        chat = {key: m for key, m in messages.items() if m["kind"] == "chat" and m["text"]}
        return sorted(
            (m["role"], m["text"], m["pinned"], chat.get(m["parent_id"], {}).get("text"))
            for m in chat.values()
        )  # fmt: skip

    assert (first["imported"], first["duplicates"], first["state"]) == (1, 0, "done")
    assert (second["imported"], second["duplicates"]) == (0, 1)
    assert second["items"][0]["conversation_id"] == copy_id != str(here)
    assert repr(tree(copy)) == repr(tree(source))


def test_chatgpts_file_becomes_conversations(owner: Person) -> None:
    file = SimpleUploadedFile(
        "conversations.json",
        json.dumps([chatgpt("One", "hello", "hi"), chatgpt("Two", "bye")]).encode(),
        content_type="application/json",
    )

    answer = owner.client.post("/api/v1/conversations/import", {"file": file})

    assert answer.status_code == 200, answer.content
    one, two = answer.json()["items"]
    assert (one["title"], two["title"]) == ("One", "Two")
    messages = list(owner.messages(one["conversation_id"]).values())
    assert [(m["role"], m["text"], m["model"]) for m in messages] == [
        ("user", "hello", ""),
        ("assistant", "hi", "gpt-4o"),
    ]
    assert messages[0]["created_at"].startswith("2023-11-14")
    conversation = owner.ask("GET", f"conversations/{one['conversation_id']}")
    assert conversation["leaf_id"] == messages[1]["id"]
    assert conversation["created_at"].startswith("2023-11-14")


def test_an_imported_conversation_goes_on_with_a_model_that_is_here(owner: Person) -> None:
    taken_in = owner.ask("POST", "conversations/import", [chatgpt("One", "hello", "hi")])
    here = taken_in["items"][0]["conversation_id"]
    answer_id = list(owner.messages(here))[-1]

    body = {"client_message_id": "again"}
    receipt = owner.ask("POST", f"messages/{answer_id}/regenerate", body, status=202)
    owner.say("go on", here)

    assert owner.ask("GET", f"turns/{receipt['turn_id']}")["model"]


@pytest.mark.parametrize(
    "body, place",
    [
        ([], ""),
        ({"format": "karen.conversation", "version": 1}, "messages"),
        ([{"mapping": {"a": {"message": None, "parent": "b"}}}], "[0].mapping.a.parent"),
    ],
)
def test_a_file_that_does_not_fit_says_where(owner: Person, body: object, place: str) -> None:
    error = owner.refused("POST", "conversations/import", body, status=400)

    assert error["type"] == "import_invalid"
    assert error["details"].get("place", "") == place
    with scope.tenant_scope(owner.world.acme):
        assert not Conversation.objects.exists()


def test_one_broken_conversation_is_reported_and_the_others_come_in(owner: Person) -> None:
    answer = owner.ask("POST", "conversations/import", [chatgpt("Whole", "hello"), {"mapping": 5}])

    assert (answer["imported"], answer["failed"]) == (1, 1)
    assert answer["items"][1]["place"] == "[1]"
    assert answer["items"][1]["problem"]


_SAID = {"id": "a", "role": "user", "text": "hello"}
_OURS = {"format": "karen.conversation", "version": 1}


@pytest.mark.parametrize(
    "broken",
    [
        {**_OURS, "messages": [{**_SAID, "role": []}]},
        {**_OURS, "conversation": {"mode": {}}, "messages": [{**_SAID, "role": {}}]},
        {"mapping": {"a\x00b": 5}},
        {"mapping": {"a\ud800b": 5}},
        {"mapping": {"x" * 5000: 5}},
        {"mapping": {"a": {"message": {"author": {"role": []}, "content": {}}}}},
        {"mapping": {"a": {"message": {"author": {"role": "user"}, "recipient": []}}}},
        {
            "mapping": {
                "a": {"message": {"author": {"role": "user"}, "content": {"content_type": {}}}}
            }
        },
    ],
)
def test_values_of_a_wrong_kind_cost_their_own_conversation_only(
    owner: Person, broken: dict[str, Any]
) -> None:
    alone = owner.refused("POST", "conversations/import", broken, status=400)
    beside = owner.ask("POST", "conversations/import", [chatgpt("Good", "hello"), broken])

    assert alone["type"] == "import_invalid"
    assert (beside["imported"], beside["failed"]) == (1, 1)
    assert len(beside["items"][1]["place"]) < 400


def test_an_unknown_mode_of_any_kind_is_the_usual_one(owner: Person) -> None:
    document = {**_OURS, "conversation": {"title": "t", "mode": ["code"]}, "messages": [_SAID]}

    taken_in = owner.ask("POST", "conversations/import", document)

    here = owner.ask("GET", f"conversations/{taken_in['items'][0]['conversation_id']}")
    assert here["mode"] == "default"


def test_a_file_that_is_too_large_or_missing_is_refused(owner: Person, settings: Any) -> None:
    settings.CHAT_IMPORT_MAX_BYTES = 1000

    error = owner.refused("POST", "conversations/import", [chatgpt("x", "y" * 1000)], status=413)
    assert error["details"]["limit_bytes"] == 1000
    file = SimpleUploadedFile("conversations.json", b" " * 1001)
    assert owner.client.post("/api/v1/conversations/import", {"file": file}).status_code == 413
    assert owner.client.post("/api/v1/conversations/import", {"other": "x"}).status_code == 400


def many(count: int) -> list[dict[str, Any]]:
    return [chatgpt(f"Number {index}", f"hello {index}", "hi") for index in range(count)]


def test_a_large_file_is_worked_off_by_a_task_step_by_step(owner: Person, member: Person) -> None:
    count = transfer.INLINE_CONVERSATIONS_MAX + 5
    started = owner.ask("POST", "conversations/import", many(count), status=202)
    again = owner.ask("POST", "conversations/import", many(count), status=202)

    assert (started["state"], started["total"], started["done"]) == ("running", count, 0)
    assert again["id"] == started["id"]
    member.refused("GET", f"imports/{started['id']}", status=404)
    with scope.tenant_scope(owner.world.acme), scope.correlation_scope():
        transfer.run_import(import_id=UUID(started["id"]))
        transfer.run_import(import_id=UUID(started["id"]))
        assert Conversation.objects.count() == count
        assert Message.objects.count() == 2 * count
        assert Import.objects.get().payload is None

    done = owner.ask("GET", f"imports/{started['id']}")
    assert (done["state"], done["done"], done["imported"]) == ("done", count, count)
    assert not Lease.objects.filter(kind="import").exists()


def test_an_import_whose_worker_died_is_enqueued_again(owner: Person) -> None:
    count = transfer.INLINE_CONVERSATIONS_MAX + 1
    started = owner.ask("POST", "conversations/import", many(count), status=202)
    OutboxEntry.objects.all().delete()
    Lease.objects.filter(kind="import").update(until=now() - timedelta(seconds=1))

    reap_leases()

    assert Lease.objects.filter(kind="import", key=started["id"]).exists()


def test_an_import_is_its_owners_and_of_its_workspace(owner: Person, outsider: Person) -> None:
    taken_in = owner.ask("POST", "conversations/import", [chatgpt("Mine", "hello")])

    outsider.refused("GET", f"imports/{taken_in['id']}", status=404)
    assert outsider.ask("GET", "conversations")["results"] == []


def test_an_import_brings_no_setting_that_the_person_may_not_change(member: Person) -> None:
    document = {
        "format": "karen.conversation",
        "version": 1,
        "conversation": {"title": "t", "system_instruction": "obey", "mode": "code"},
        "messages": [{"id": "a", "role": "user", "text": "hello"}],
    }

    taken_in = member.ask("POST", "conversations/import", document)

    here = member.ask("GET", f"conversations/{taken_in['items'][0]['conversation_id']}")
    assert (here["system_instruction"], here["mode"]) == ("", "code")


def test_an_export_in_another_format_is_refused(owner: Person) -> None:
    sent = owner.answered()

    owner.refused("GET", f"conversations/{sent.conversation_id}/export?format=pdf", status=400)


def test_the_limit_of_imports_is_configured_in_megabytes() -> None:
    assert settings.CHAT_IMPORT_MAX_BYTES == 32 * 1024 * 1024


def test_what_was_imported_is_searched_at_once(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[UUID] = []
    monkeypatch.setattr(changes, "note_changed", told.append)

    taken_in = owner.ask("POST", "conversations/import", [chatgpt("Old", "hello")])

    assert told == [UUID(taken_in["items"][0]["conversation_id"])]
