"""Shares, forks and people: what is given away, to whom, and how it is taken back."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.accounts import services as accounts
from apps.conversations import registry
from apps.conversations.attachments.selectors import stored_bytes
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.sharing import Share
from apps.conversations.services import changes
from apps.core import scope
from apps.core.scope import TenantRef
from tests.app.conversations.features import Person
from tests.factories import ready_attachment
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]


def shared_url(person: Person, conversation_id: object, **body: object) -> str:
    answer = person.ask("POST", f"conversations/{conversation_id}/shares", body, status=201)
    url: str = answer["url"]
    return url


def open_url(url: str, client: Client | None = None) -> tuple[int, str]:
    path = "/" + url.split("/", 3)[3]
    answer = (client or Client(HTTP_HOST="acme.localhost")).get(path)
    return answer.status_code, answer.content.decode()


@pytest.fixture
def talk(owner: Person) -> UUID:
    """A conversation with everything in it that must not be given away."""
    sent = owner.answered("**bold** ![spy](https://evil.example/x.png) <script>alert(1)</script>")
    owner.ask(
        "PATCH",
        f"conversations/{sent.conversation_id}",
        {"system_instruction": "secret instruction", "title": "<b>Ours</b>"},
    )
    owner.say("/mode code", sent.conversation_id)
    with scope.tenant_scope(owner.world.acme):
        answer = Message.objects.get(
            conversation_id=sent.conversation_id, role="assistant", kind="chat"
        )
        # What the scripted model does not do: think, and call a tool.
        answer.parts = [
            {"type": "reasoning", "text": "secret thought"},
            {"type": "tool", "call_id": "1", "name": "t", "status": "failed", "result": "secret"},
            {"type": "attachment", "attachment_id": str(sent.turn_id), "name": "plan.pdf",
             "media_type": "application/pdf", "size": 1},
            *answer.parts,
        ]  # fmt: skip
        answer.save(update_fields=["parts"])
    return sent.conversation_id


def test_a_link_shows_what_was_said_and_nothing_else(owner: Person, talk: UUID) -> None:
    status, page = open_url(shared_url(owner, talk, audience="link"))

    assert status == 200
    assert "<strong>bold</strong>" in page
    assert "plan.pdf" in page
    assert "&lt;b&gt;Ours&lt;/b&gt;" in page
    for hidden in (
        "secret", "<script>alert", "<img src=\"https://evil", "ann@", "Ann", "/mode",
    ):  # fmt: skip
        assert hidden not in page
    assert 'href="https://evil.example/x.png"' in page


def test_the_page_of_a_link_keeps_search_engines_and_referrers_out(
    owner: Person, talk: UUID
) -> None:
    url = shared_url(owner, talk, audience="link")

    answer = Client(HTTP_HOST="acme.localhost").get("/" + url.split("/", 3)[3])

    assert answer["X-Robots-Tag"].startswith("noindex")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "karen_session" not in answer.cookies


def test_a_share_for_the_workspace_needs_somebody_of_it(
    owner: Person, member: Person, outsider: Person, talk: UUID
) -> None:
    url = shared_url(owner, talk)
    path = "/" + url.split("/", 3)[3]

    stranger = Client(HTTP_HOST="acme.localhost").get(path)
    assert stranger.status_code == 302
    assert "/accounts/login/" in stranger["Location"]
    assert open_url(url, member.client)[0] == 200
    assert open_url(url, outsider.client)[0] == 404  # there is no such link on the host of globex


def test_the_secret_is_told_once_and_kept_as_a_keyed_hash(owner: Person, talk: UUID) -> None:
    url = shared_url(owner, talk)
    token = url.rstrip("/").rsplit("/", 1)[1]

    (listed,) = owner.ask("GET", f"conversations/{talk}/shares")["results"]

    assert listed["url"] == ""
    with scope.tenant_scope(owner.world.acme):
        share = Share.objects.get()
    assert token not in (share.token_digest, str(share.snapshot))
    assert len(token) >= 43


def test_a_revoked_link_is_dead_at_once_and_its_copy_is_gone(owner: Person, talk: UUID) -> None:
    url = shared_url(owner, talk, audience="link")
    share = owner.ask("GET", f"conversations/{talk}/shares")["results"][0]

    owner.ask("DELETE", f"shares/{share['id']}", status=204)
    owner.ask("DELETE", f"shares/{share['id']}", status=204)

    assert open_url(url)[0] == 404
    assert owner.ask("GET", f"conversations/{talk}/shares")["results"][0]["revoked"] is True
    with scope.tenant_scope(owner.world.acme):
        assert Share.objects.get().snapshot == {}


def test_a_snapshot_stays_as_it_was_and_dies_with_its_conversation(
    owner: Person, talk: UUID
) -> None:
    url = shared_url(owner, talk, audience="link")
    owner.say("said later", talk)

    assert "said later" not in open_url(url)[1]
    owner.ask("DELETE", f"conversations/{talk}", status=204)
    assert open_url(url)[0] == 404


def test_links_that_were_never_given_are_not_found(committed: object) -> None:
    for token in ("x", "x" * 500, "%00", "é"):
        assert open_url(f"http://acme.localhost/share/{token}/")[0] == 404


def test_an_empty_conversation_cannot_be_shared(owner: Person) -> None:
    here = owner.ask("POST", "conversations", {}, status=201)["id"]

    assert owner.refused("POST", f"conversations/{here}/shares", {}, status=409)


# -- forks


def test_a_fork_copies_the_branch_up_to_a_message_with_new_ids(owner: Person) -> None:
    first = owner.answered("one")
    owner.ask("PUT", f"messages/{first.message_id}/pin")
    owner.say("/mode creative", first.conversation_id)
    second = owner.answered("two", first.conversation_id)
    owner.answered("three", first.conversation_id)
    before = owner.messages(first.conversation_id)

    fork = owner.ask(
        "POST",
        f"conversations/{first.conversation_id}/fork",
        {"message_id": str(second.message_id)},
        status=201,
    )

    copied = owner.messages(fork["id"])
    assert [(m["text"], m["pinned"]) for m in copied.values()] == [
        ("one", True),
        ("one", False),
        ("two", False),
    ]
    assert not set(copied) & set(before)
    assert fork["leaf_id"] == list(copied)[-1]
    assert fork["mode"] == "creative"
    assert owner.messages(first.conversation_id) == before
    with scope.tenant_scope(owner.world.acme):
        assert Conversation.objects.get(pk=fork["id"]).origin == "fork"


def test_the_same_fork_asked_twice_is_one(owner: Person) -> None:
    sent = owner.answered()
    body = {"message_id": str(sent.message_id), "client_message_id": "fork-1"}
    path = f"conversations/{sent.conversation_id}/fork"

    first, second = (owner.ask("POST", path, body, status=201)["id"] for _twice in range(2))

    assert first == second


def test_a_fork_takes_its_files_along_and_keeps_them(owner: Person) -> None:
    acme = owner.world.acme
    file_id = ready_attachment(owner_id=owner.id, tenant=acme)
    receipt = owner.say("see the file", attachments=[str(file_id)])
    here = f"conversations/{receipt['conversation_id']}"

    fork = owner.ask("POST", f"{here}/fork", {"message_id": receipt["message_id"]}, status=201)
    owner.ask("DELETE", here, status=204)

    (copied,) = owner.messages(fork["id"]).values()
    (part,) = [part for part in copied["parts"] if part["type"] == "attachment"]
    assert part["attachment_id"] != str(file_id)
    owner.ask("GET", f"attachments/{part['attachment_id']}")


def test_the_files_of_a_fork_are_its_owners_and_not_their_first_senders(
    owner: Person, member: Person
) -> None:
    acme = owner.world.acme
    file_id = ready_attachment(owner_id=owner.id, tenant=acme)
    receipt = owner.say("see the file", attachments=[str(file_id)])
    here = f"conversations/{receipt['conversation_id']}"
    owner.ask("PUT", f"{here}/participants/{member.id}")

    fork = member.ask("POST", f"{here}/fork", {"message_id": receipt["message_id"]}, status=201)

    (copied,) = member.messages(fork["id"]).values()
    (part,) = [part for part in copied["parts"] if part["type"] == "attachment"]
    owner.refused("GET", f"attachments/{part['attachment_id']}", status=404)
    mine = owner.ask("GET", "attachments")["results"]
    assert [row["id"] for row in mine] == [str(file_id)]
    with scope.tenant_scope(acme):
        assert stored_bytes(owner.id) == stored_bytes(member.id) == len(b"words")
    member.ask("DELETE", f"attachments/{part['attachment_id']}", status=204)


def test_a_fork_takes_along_what_hangs_on_messages(owner: Person) -> None:
    told: list[tuple[UUID, UUID, int]] = []

    def copier(conversation_id: UUID, owner_id: UUID, ids: object) -> None:
        assert isinstance(ids, dict)
        told.append((conversation_id, owner_id, len(ids)))

    registry.register_fork_copier(copier)
    try:
        sent = owner.answered()
        fork = owner.ask(
            "POST",
            f"conversations/{sent.conversation_id}/fork",
            {"message_id": str(sent.message_id)},
            status=201,
        )
    finally:
        registry._copiers.remove(copier)

    assert told == [(UUID(fork["id"]), owner.id, 1)]


def test_a_message_of_elsewhere_cannot_be_forked(owner: Person) -> None:
    here, there = owner.answered(), owner.answered()

    owner.refused(
        "POST",
        f"conversations/{here.conversation_id}/fork",
        {"message_id": str(there.message_id)},
        status=404,
    )


# -- people


def test_people_are_chosen_by_what_they_are_called(owner: Person, people: People) -> None:
    rows = owner.ask("GET", "members")["results"]

    assert [(row["label"], row["id"]) for row in rows] == [
        ("Ann", str(people.ann)),
        ("Bea", str(people.bea)),
    ]
    assert set(rows[0]) == {"id", "label"}


def test_a_participant_reads_and_writes_but_owns_nothing(owner: Person, member: Person) -> None:
    sent = owner.answered()
    here = f"conversations/{sent.conversation_id}"
    owner.ask("PUT", f"{here}/participants/{member.id}")
    owner.ask("PUT", f"{here}/participants/{member.id}")

    assert [row["id"] for row in member.ask("GET", "conversations")["results"]] == [
        str(sent.conversation_id)
    ]
    receipt = member.say("me too", sent.conversation_id)
    said = owner.messages(sent.conversation_id)[receipt["message_id"]]
    assert said["author_id"] == str(member.id)
    people = member.ask("GET", f"{here}/participants")["results"]
    assert [(row["label"], row["role"]) for row in people] == [
        ("Ann", "owner"),
        ("Bea", "participant"),
    ]
    for method, path, body in (
        ("DELETE", here, None),
        ("POST", f"{here}/shares", {}),
        ("GET", f"{here}/shares", None),
        ("PUT", f"{here}/participants/{owner.id}", None),
        ("DELETE", f"{here}/participants/{owner.id}", None),
        ("PATCH", here, {"title": "Mine now"}),
        ("PATCH", here, {"archived": True}),
    ):
        assert member.refused(method, path, body, status=403)["type"] == "owner_only"


def test_who_is_removed_or_leaves_sees_nothing_any_more(owner: Person, member: Person) -> None:
    sent = owner.answered()
    here = f"conversations/{sent.conversation_id}"
    for remover in (owner, member):
        owner.ask("PUT", f"{here}/participants/{member.id}")
        member.ask("GET", here)
        remover.ask("DELETE", f"{here}/participants/{member.id}", status=204)
        member.refused("GET", here, status=404)
    owner.refused("DELETE", f"{here}/participants/{member.id}", status=404)


def test_only_members_who_may_chat_take_part(
    owner: Person, people: People, outsider: Person
) -> None:
    sent = owner.answered()
    here = f"conversations/{sent.conversation_id}"

    owner.refused("PUT", f"{here}/participants/{people.eve}", status=404)
    owner.refused("PUT", f"{here}/participants/{outsider.id}", status=404)
    owner.refused("PUT", f"{here}/participants/{owner.id}", status=409)


def test_a_participant_who_leaves_the_workspace_is_out_with_the_next_request(
    owner: Person, member: Person, people: People
) -> None:
    sent = owner.answered()
    here = f"conversations/{sent.conversation_id}"
    owner.ask("PUT", f"{here}/participants/{member.id}")
    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        accounts.remove_member(tenant=owner.world.acme, user_id=people.bea)
        try:
            assert member.client.get(f"/api/v1/{here}").status_code == 401
            rows = owner.ask("GET", f"{here}/participants")["results"]
            assert [row["label"] for row in rows] == ["Ann", "Former member"]
        finally:
            accounts.add_member(tenant=owner.world.acme, user_id=people.bea, role="member")


def test_a_fork_is_searched_at_once_and_a_temporary_one_never(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[UUID] = []
    monkeypatch.setattr(changes, "note_changed", told.append)
    for temporary in (False, True):
        sent = owner.say("hello", options={"temporary": temporary})
        fork = owner.ask(
            "POST",
            f"conversations/{sent['conversation_id']}/fork",
            {"message_id": sent["message_id"]},
            status=201,
        )

        assert (UUID(fork["id"]) in told) is not temporary
