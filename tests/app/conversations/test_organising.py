"""Folders, tags, pins, archives, filters, many at once, thumbs, and conversations that pass."""

from datetime import timedelta
from uuid import UUID

import pytest

from apps.audit.models import AuditEntry
from apps.conversations import expiry, orchestrator
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Feedback, Message
from apps.conversations.notices import notices_key
from apps.conversations.stream import logged, stream_key
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.redis import RedisRole, redis_client
from tests.app.conversations.features import Person
from tests.factories import send


def started(person: Person, **options: object) -> str:
    return str(person.ask("POST", "conversations", options, status=201)["id"])


def listed(person: Person, query: str = "") -> set[str]:
    return {row["id"] for row in person.ask("GET", f"conversations?{query}")["results"]}


def folder_names(person: Person) -> list[str]:
    return [row["name"] for row in person.ask("GET", "folders")["results"]]


def test_folders_are_made_renamed_ordered_and_deleted(owner: Person) -> None:
    ids = {
        name: owner.ask("POST", "folders", {"name": name}, status=201)["id"]
        for name in ("one", "two", "three")
    }
    owner.ask("PATCH", f"folders/{ids['three']}", {"position": 0})
    owner.ask("PATCH", f"folders/{ids['one']}", {"name": "  first   one "})
    assert folder_names(owner) == ["three", "first one", "two"]

    inside = started(owner, folder_id=ids["two"])
    owner.ask("DELETE", f"folders/{ids['two']}", status=204)

    assert folder_names(owner) == ["three", "first one"]
    assert owner.ask("GET", f"conversations/{inside}")["folder_id"] is None


def test_a_folder_has_a_name_of_its_own(owner: Person) -> None:
    owner.ask("POST", "folders", {"name": "work"}, status=201)

    taken = owner.refused("POST", "folders", {"name": " work "}, status=409)
    empty = owner.refused("POST", "folders", {"name": "   "}, status=400)

    assert taken["type"] == "conflict"
    assert "name" in empty["details"]["fields"]


def test_a_folder_is_its_owners_alone(owner: Person, member: Person) -> None:
    mine = owner.ask("POST", "folders", {"name": "mine"}, status=201)["id"]

    assert folder_names(member) == []
    assert member.refused("PATCH", f"folders/{mine}", {"name": "x"}, status=404)["type"] == (
        "folder_not_found"
    )
    member.refused("DELETE", f"folders/{mine}", status=404)
    member.refused("POST", "conversations", {"folder_id": mine}, status=400)
    assert folder_names(owner) == ["mine"]


def test_the_list_is_filtered_by_folder_tag_state_and_title(owner: Person) -> None:
    folder = owner.ask("POST", "folders", {"name": "f"}, status=201)["id"]
    filed = started(owner, title="Tax return", folder_id=folder, tags=["money", " at  home "])
    pinned = started(owner, title="Holiday", pinned=True)
    archived = started(owner, title="Old tax", archived=True)

    assert listed(owner) == {filed, pinned, archived}
    assert listed(owner, f"folder={folder}") == {filed}
    assert listed(owner, "folder=none") == {pinned, archived}
    assert listed(owner, "tag=at home") == {filed}
    assert listed(owner, "tag=mon") == set()
    assert listed(owner, "archived=true") == {archived}
    assert listed(owner, "archived=false&q=TAX") == {filed}
    assert listed(owner, "pinned=true") == {pinned}
    assert listed(owner, "q=tax return") == {filed}
    assert listed(owner, "q=100%25") == set()
    owner.refused("GET", "conversations?folder=nowhere", status=400)
    owner.refused("GET", "conversations?archived=perhaps", status=400)


def test_many_are_changed_at_once_each_with_its_result(owner: Person, member: Person) -> None:
    mine = [started(owner, tags=["a"]) for _one in range(3)]
    theirs, nobodys = started(member), str(new_id())
    ids = [*mine, theirs, nobodys, mine[0]]

    def results(action: str, **more: object) -> dict[str, bool]:
        answer = owner.ask("POST", "conversations/bulk", {"ids": ids, "action": action, **more})
        return {row["id"]: row["done"] for row in answer["results"]}

    expected = {**dict.fromkeys(mine, True), theirs: False, nobodys: False}
    assert results("archive") == expected
    assert listed(owner, "archived=true") == set(mine)
    assert results("tag", tag=" b  c ") == expected
    assert listed(owner, "tag=b c") == set(mine)
    assert results("untag", tag="a") == expected
    assert listed(owner, "tag=a") == set()
    assert results("delete") == expected
    assert listed(owner) == set()
    assert listed(member) == {theirs}


def test_bulk_refuses_too_many_and_what_says_too_little(owner: Person) -> None:
    ids = [str(new_id()) for _one in range(201)]

    owner.refused("POST", "conversations/bulk", {"ids": ids, "action": "pin"}, status=400)
    owner.refused("POST", "conversations/bulk", {"ids": [], "action": "pin"}, status=400)
    owner.refused("POST", "conversations/bulk", {"ids": ids[:1], "action": "tag"}, status=400)
    owner.refused("POST", "conversations/bulk", {"ids": ids[:1], "action": "eat"}, status=400)


def test_a_thumb_is_kept_replaced_and_taken_back(owner: Person) -> None:
    sent = owner.answered()
    (answer_id,) = [
        key for key, row in owner.messages(sent.conversation_id).items() if row["turn_id"]
    ]
    path = f"messages/{answer_id}/feedback"

    owner.ask("PUT", path, {"rating": 1, "comment": "good"})
    second = owner.ask("PUT", path, {"rating": -1})

    assert second["feedback"] == {"rating": -1, "comment": ""}
    with scope.tenant_scope(owner.world.acme):
        assert Feedback.objects.count() == 1
    assert owner.ask("DELETE", path)["feedback"] is None
    assert owner.ask("DELETE", path)["feedback"] is None
    owner.refused("PUT", path, {"rating": 0}, status=400)
    owner.refused("PUT", f"messages/{sent.message_id}/feedback", {"rating": 1}, status=400)


def test_an_answer_is_rated_once_it_is_there(owner: Person) -> None:
    world = owner.world
    sent = send(actor=owner.actor, tenant=world.acme)
    (answer_id,) = [
        key for key, row in owner.messages(sent.conversation_id).items() if row["turn_id"]
    ]

    owner.refused("PUT", f"messages/{answer_id}/feedback", {"rating": 1}, status=409)

    with scope.tenant_scope(world.acme):
        orchestrator.run_turn(turn_id=sent.turn_id)
    owner.ask("PUT", f"messages/{answer_id}/feedback", {"rating": 1})


def test_pinning_twice_is_pinning_once_and_commands_are_not_pinned(owner: Person) -> None:
    sent = owner.answered()
    command = owner.say("/help", sent.conversation_id)
    path = f"messages/{sent.message_id}/pin"

    assert owner.ask("PUT", path)["pinned"] is True
    version = owner.ask("GET", f"conversations/{sent.conversation_id}")["version"]
    assert owner.ask("PUT", path)["pinned"] is True

    assert owner.ask("GET", f"conversations/{sent.conversation_id}")["version"] == version
    assert owner.ask("DELETE", path)["pinned"] is False
    owner.refused("PUT", f"messages/{command['message_id']}/pin", status=400)


def test_nothing_of_a_colleague_or_another_workspace_can_be_touched(
    owner: Person, member: Person, outsider: Person
) -> None:
    sent = owner.answered()
    until = {"message_id": str(sent.message_id)}

    for stranger in (member, outsider):
        for method, path, body in (
            ("PUT", f"messages/{sent.message_id}/pin", None),
            ("PUT", f"messages/{sent.message_id}/feedback", {"rating": 1}),
            ("POST", f"conversations/{sent.conversation_id}/fork", until),
            ("GET", f"conversations/{sent.conversation_id}/export", None),
            ("POST", f"conversations/{sent.conversation_id}/shares", {}),
            ("GET", f"conversations/{sent.conversation_id}/participants", None),
        ):
            stranger.refused(method, path, body, status=404)


def test_options_that_need_a_permission_say_which(member: Person) -> None:
    here = started(member)

    for option, value, permission in (
        ("persona", "tutor", "chat.persona.change"),
        ("system_instruction", "x", "chat.config.edit"),
        ("temperature", 1.5, "chat.config.edit"),
        ("tools", [], "chat.config.edit"),
        ("show_reasoning", True, "chat.config.edit"),
    ):
        error = member.refused("PATCH", f"conversations/{here}", {option: value}, status=403)
        assert error["details"]["permission"] == permission
        assert permission in error["message"]
    unchanged = {"persona": "", "temperature": None, "system_instruction": "", "title": "ok"}
    assert member.ask("PATCH", f"conversations/{here}", unchanged)["title"] == "ok"
    assert member.ask("PATCH", f"conversations/{here}", {"mode": "code"})["mode"] == "code"


def test_a_conversation_is_temporary_from_its_start_or_not_at_all(owner: Person) -> None:
    fleeting = owner.say("psst", options={"temporary": True})["conversation_id"]
    lasting = started(owner)

    assert owner.ask("GET", f"conversations/{fleeting}")["temporary"] is True
    owner.refused("PATCH", f"conversations/{lasting}", {"temporary": True}, status=400)
    owner.refused("PATCH", f"conversations/{fleeting}", {"temporary": False}, status=400)
    owner.refused("POST", f"conversations/{fleeting}/shares", {}, status=409)


def test_a_temporary_conversation_is_erased_without_a_trace_when_its_day_is_over(
    owner: Person,
) -> None:
    acme, secret = owner.world.acme, "nobody shall know"
    receipt = owner.say(secret, options={"temporary": True})
    kept = owner.say("this stays")
    with scope.tenant_scope(acme):
        row = Conversation.objects.get(pk=receipt["conversation_id"])
        assert row.expires_at is not None
        assert timedelta(hours=23) < row.expires_at - now() <= timedelta(hours=24)
        assert expiry.erase_everywhere() == 0
        Conversation.objects.filter(pk=row.pk).update(expires_at=now() - timedelta(seconds=1))

    with scope.tenant_scope(None), scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        assert expiry.erase_everywhere() == 1
        assert expiry.erase_everywhere() == 0

    owner.refused("GET", f"conversations/{receipt['conversation_id']}", status=404)
    owner.ask("GET", f"conversations/{kept['conversation_id']}")
    streams = redis_client(RedisRole.STREAMS)
    with scope.tenant_scope(acme):
        assert [m.text for m in Message.objects.all() if secret in m.text] == []
        notices = logged(streams.xrange(notices_key(owner.id)))
        events = logged(streams.xrange(stream_key(UUID(receipt["turn_id"]))))
    told = b"".join(notice.payload for notice in notices)
    assert secret.encode() not in told
    assert b"conversation_gone" in told
    assert [event.decode().kind for event in events] == ["cancelled"]
    assert not AuditEntry.objects.filter(data__icontains=secret).exists()


def test_a_command_starts_a_conversation_that_its_first_message_names(owner: Person) -> None:
    here = owner.say("/mode code")["conversation_id"]

    owner.say("Plan the garden", here)

    assert owner.ask("GET", f"conversations/{here}")["title"] == "Plan the garden"


@pytest.mark.parametrize("field", ["title", "system_instruction"])
def test_nul_is_refused_where_it_cannot_be_stored(owner: Person, field: str) -> None:
    owner.refused("POST", "conversations", {field: "a\x00b"}, status=400)
