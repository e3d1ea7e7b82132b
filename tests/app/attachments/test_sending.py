"""Files in messages: binding them, what models get to see, summaries."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from apps.conversations.attachments import errors, selectors, services, summaries
from apps.conversations.attachments.contracts import AttachmentContent
from apps.conversations.contracts import message_parts
from apps.conversations.models.attachments import Attachment
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.core import scope
from apps.core.ids import new_id
from apps.jobs.models import OutboxEntry
from tests import corpus
from tests.app.attachments.conftest import Desk, DeskOf
from tests.fixtures.people import People


@contextmanager
def _inside(desk: Desk) -> Iterator[None]:
    with scope.tenant_scope(desk.tenant), scope.actor_scope(scope.SYSTEM):
        with scope.correlation_scope():
            yield


def _message(desk: Desk, author: UUID, conversation: Conversation | None = None) -> Message:
    with _inside(desk):
        here = conversation or Conversation.objects.create(owner_id=author)
        return Message.objects.create(conversation=here, role="user", author_id=author)


def _attach(desk: Desk, message: Message, *ids: str) -> list[dict[str, Any]]:
    with _inside(desk), transaction.atomic():
        return services.attach(message=message, attachment_ids=[UUID(i) for i in ids])


def _prompt(
    desk: Desk, messages: Sequence[Message], **options: Any
) -> tuple[AttachmentContent, ...]:
    with _inside(desk):
        return selectors.for_prompt([message.pk for message in messages], **options)


def test_a_sent_file_belongs_to_its_message_and_becomes_a_part(desk: Desk, people: People) -> None:
    first, second = desk.upload("a.txt", b"words"), desk.upload("b.txt", b"other")
    message = _message(desk, people.ann)

    parts = _attach(desk, message, second["id"], first["id"])

    assert [part.name for part in message_parts.validate_python(parts)] == ["b.txt", "a.txt"]  # type: ignore[union-attr]  # all are files
    found = desk.look(first["id"])
    assert (found["message_id"], found["conversation_id"]) == (
        str(message.pk), str(message.conversation_id),
    )  # fmt: skip
    assert _attach(desk, message, second["id"], first["id"]) == parts


def test_files_that_cannot_be_sent_say_why(
    desk: Desk, desk_of: DeskOf, people: People, settings: Settings
) -> None:
    message = _message(desk, people.ann)
    foreign = desk_of(people.bea, desk.tenant).upload("hers.txt", b"hers")["id"]
    refused = desk.read("a.pdf", b"%PDF-1.4 rubbish")["id"]
    sent = desk.upload("sent.txt", b"sent")["id"]
    _attach(desk, _message(desk, people.ann), sent)
    settings.ATTACHMENTS_PER_MESSAGE = 2

    for ids, error in (
        ([foreign], errors.AttachmentNotFound),
        ([str(new_id())], errors.AttachmentNotFound),
        ([refused], errors.AttachmentWasRefused),
        ([sent], errors.AttachmentAlreadySent),
        ([str(new_id()) for _ in range(3)], errors.AttachmentsTooMany),
    ):
        with pytest.raises(error):
            _attach(desk, message, *ids)


def test_an_edited_message_keeps_its_files_as_copies_of_the_same_bytes(
    desk: Desk, people: People
) -> None:
    original = desk.read("a.txt", b"words")
    first = _message(desk, people.ann)
    _attach(desk, first, original["id"])
    edited = _message(desk, people.ann, first.conversation)

    parts = _attach(desk, edited, original["id"])
    with _inside(desk), transaction.atomic():
        fork = Message.objects.create(
            conversation=Conversation.objects.create(owner_id=people.ann),
            role="user",
            author_id=people.ann,
        )
        forked = services.copy_attachments(
            from_message_id=edited.pk, to_message=fork, owner_id=people.ann
        )

    copies = {str(part["attachment_id"]) for part in (*parts, *forked)}
    assert len(copies | {original["id"]}) == 3
    assert len(desk.blobs()) == 1
    desk.client.delete(f"/api/v1/attachments/{original['id']}")
    assert [desk.body(copy) for copy in copies] == [b"words", b"words"]


def test_a_copy_of_a_file_that_is_still_being_read_is_read_too(desk: Desk, people: People) -> None:
    uploaded = desk.upload("a.txt", b"words")
    first = _message(desk, people.ann)
    _attach(desk, first, uploaded["id"])

    (part,) = _attach(desk, _message(desk, people.ann, first.conversation), uploaded["id"])

    desk.run(str(part["attachment_id"]))
    assert desk.look(str(part["attachment_id"]))["state"] == "ready"


def test_whoever_takes_part_sees_the_files_of_a_conversation_and_cannot_delete_them(
    desk: Desk, desk_of: DeskOf, people: People
) -> None:
    found = desk.read("a.txt", b"words")
    message = _message(desk, people.ann)
    bea = desk_of(people.bea, desk.tenant)
    with _inside(desk):
        Participant.objects.create(
            conversation=message.conversation, user_id=people.bea, added_by=people.ann
        )
    assert bea.content(found["id"]).status_code == 404

    _attach(desk, message, found["id"])

    listed = bea.client.get(f"/api/v1/attachments?conversation_id={message.conversation_id}")
    assert [row["id"] for row in listed.json()["results"]] == [found["id"]]
    assert bea.client.get("/api/v1/attachments").json()["results"] == []
    assert bea.body(found["id"]) == b"words"
    assert bea.client.delete(f"/api/v1/attachments/{found['id']}").status_code == 404


def test_the_files_of_a_conversation_go_with_it(desk: Desk, people: People) -> None:
    message = _message(desk, people.ann)
    _attach(desk, message, desk.read("a.txt", b"words")["id"])
    kept = desk.upload("b.txt", b"kept")

    with _inside(desk), transaction.atomic():
        assert services.remove_of_conversation(message.conversation_id) == 1

    with _inside(desk):
        assert [str(row.pk) for row in Attachment.objects.all()] == [kept["id"]]
    assert len(desk.blobs()) == 1


# -- what models get


def test_a_model_gets_texts_in_the_order_of_the_messages(desk: Desk, people: People) -> None:
    first, second = _message(desk, people.ann), _message(desk, people.ann)
    _attach(desk, second, desk.read("b.txt", b"of the second")["id"])
    _attach(desk, first, desk.read("a.txt", b"of the first")["id"])

    contents = _prompt(desk, [first, second])

    assert [(c.message_id, c.text, c.truncated) for c in contents] == [
        (first.pk, "of the first", False),
        (second.pk, "of the second", False),
    ]
    assert _prompt(desk, [first, second]) == contents


def test_short_files_are_whole_and_long_ones_share_the_rest(desk: Desk, people: People) -> None:
    message = _message(desk, people.ann)
    for name, body in (("short.txt", b"short"), ("x.txt", b"x" * 9000), ("y.txt", b"y" * 9000)):
        _attach(desk, message, desk.read(name, body)["id"])

    short, *long = _prompt(desk, [message], text_tokens=500)

    assert (short.text, short.truncated) == ("short", False)
    assert all(c.truncated and 500 < len(c.text) < 750 for c in long)


def test_the_excerpt_of_a_long_text_begins_with_its_summary(desk: Desk, people: People) -> None:
    message = _message(desk, people.ann)
    found = desk.read("x.txt", b"x" * 9000)
    _attach(desk, message, found["id"])
    with _inside(desk):
        Attachment.objects.filter(pk=found["id"]).update(summary="Many x.")

    (content,) = _prompt(desk, [message], text_tokens=300)

    assert content.text.startswith("[Summary] Many x.\n\n[Beginning] xxx")


def test_only_models_that_see_get_pictures_and_others_are_told(desk: Desk, people: People) -> None:
    message = _message(desk, people.ann)
    _attach(desk, message, desk.read("a.png", corpus.picture(3000, 20, kind="PNG"))["id"])

    (blind,) = _prompt(desk, [message])
    (seeing,) = _prompt(desk, [message], images=True)

    assert (blind.image, "cannot see" in blind.remark) == (None, True)
    assert seeing.image is not None
    assert (seeing.image_type, seeing.remark) == ("image/jpeg", "")
    assert len(seeing.image) < len(desk.body(str(seeing.attachment_id))) + 10_000


def test_a_model_is_told_about_files_without_content(desk: Desk, people: People) -> None:
    message = _message(desk, people.ann)
    waiting = desk.upload("a.txt", b"words")["id"]
    _attach(desk, message, waiting, desk.read("m.wav", corpus.sound())["id"])

    assert [bool(content.remark) for content in _prompt(desk, [message])] == [True, True]
    with _inside(desk):
        assert selectors.any_unfinished([message.pk])
    desk.run(waiting)
    with _inside(desk):
        assert not selectors.any_unfinished([message.pk])
        assert len(selectors.list_of_messages([message.pk])) == 2


# -- summaries


def test_a_long_text_gets_a_summary_after_it_is_ready(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENT_SUMMARY_TOKENS = 50
    settings.DEFAULT_MODEL = "echo/plain"

    found = desk.read("long.txt", b"a long story " * 100)
    assert (found["state"], found["summary"]) == ("ready", "")

    with _inside(desk):
        summaries.summarise(attachment_id=UUID(found["id"]))
    summary = desk.look(found["id"])["summary"]
    assert "long" in summary
    with _inside(desk):  # a second delivery changes nothing
        summaries.summarise(attachment_id=UUID(found["id"]))
    assert desk.look(found["id"])["summary"] == summary


def test_a_short_text_gets_none(desk: Desk, settings: Settings) -> None:
    desk.read("short.txt", b"short")

    assert not OutboxEntry.objects.filter(task=summaries.SUMMARY_TASK).exists()


def test_without_a_model_the_file_is_ready_and_says_that_no_summary_was_made(
    desk: Desk, settings: Settings
) -> None:
    settings.ATTACHMENT_SUMMARY_TOKENS = 50
    settings.DEFAULT_MODEL = "nobody/knows"

    found = desk.read("long.txt", b"a long story " * 100)

    assert found["state"] == "ready"
    assert [note["code"] for note in found["notes"]] == ["summary_skipped"]
    assert found["meta"]["summary_skipped"] == "model_not_found"


def test_a_model_that_fails_leaves_the_file_as_it_is(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENT_SUMMARY_TOKENS = 50
    settings.DEFAULT_MODEL = "echo/plain"
    found = desk.read("!error rejected.txt", b"!error rejected " * 100)
    settings.DEFAULT_MODEL = "nobody/knows"

    with _inside(desk):
        summaries.summarise(attachment_id=UUID(found["id"]))

    assert desk.look(found["id"])["meta"]["summary_skipped"] == "model_not_found"
