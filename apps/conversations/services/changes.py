"""Telling people what changed: the whole thing as it is now, to everybody who may see it.

Whoever changes a conversation holds its row's lock (`lock_conversation`), so versions grow in the
order of the commits. Notices are written after the commit to a log per person; a log that cannot
be written, or is too old for a client, costs that client a reload, never a change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from apps.audit import services as audit
from apps.conversations import selectors
from apps.conversations.contracts import (
    AttachmentChanged,
    ConversationChanged,
    ConversationGone,
    FoldersChanged,
    MessageChanged,
    Notice,
    TurnChanged,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import ConversationNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.notices import publish
from apps.conversations.rendering import as_json
from apps.conversations.search.outbox import note_changed
from apps.core.clock import now

# By hand, as below: every message and every answer passes here twice.
_LOCK = "SELECT * FROM conversations_conversation WHERE id = %s FOR NO KEY UPDATE"


def lock_conversation(conversation_id: UUID) -> Conversation:
    """Return the conversation, locked until the transaction ends.

    Raises:
        ConversationNotFound: It is gone.
    """
    found = list(Conversation.objects.raw(_LOCK, [conversation_id]))
    if not found:
        raise ConversationNotFound
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a transaction changed in one locked conversation.

    Attributes:
        columns: Columns of the conversation that were set and are not yet saved.
        new_messages: Messages this transaction stored.
        ended: Answers this transaction ended, as they are now; nobody rates one before its end.
        messages: Ids of messages that are different.
        turns: Turns that are new or different, as they are now.
        only_for: Tell this person alone what changed, and the others only the new version; None
            for everybody who may see the conversation.
        copied: The conversation is new and came with its messages: a fork, an import.
        touched: Whether it counts as use, which moves the conversation to the top of lists.
    """

    conversation: Conversation
    columns: Sequence[str] = ()
    new_messages: Sequence[Message] = ()
    ended: Sequence[Message] = ()
    messages: Sequence[UUID] = ()
    turns: Sequence[Turn] = ()
    only_for: UUID | None = None
    copied: bool = False
    touched: bool = True


def announce(change: Change) -> None:
    """Save and count the change, and tell people about it after the commit."""
    row = change.conversation
    columns = [*change.columns, "version"]
    row.version += 1
    if change.touched:
        row.updated_at = now()
        columns.append("updated_at")
    _save_with_details(row, columns)
    if _is_searched_for(change):
        note_changed(row.pk)
    notices = {
        person: _notices(row, change, person)
        if change.only_for in {None, person}
        else [_conversation_notice(row)]
        for person in people_of(row)
    }
    transaction.on_commit(lambda: publish(notices))


_DETAILS = (
    " RETURNING (SELECT t.id FROM conversations_turn t WHERE t.conversation_id = c.id"
    " AND t.state = ANY(%s) ORDER BY t.id LIMIT 1),"
    " ARRAY(SELECT p.user_id FROM conversations_participant p WHERE p.conversation_id = c.id"
    " ORDER BY p.user_id)"
)


def _save_with_details(row: Conversation, columns: Sequence[str]) -> None:
    """Save columns of a locked conversation and add what `with_details` adds, in one statement.

    Every message and every answer passes here; everything else of the row is as it was locked.
    """
    known = {
        name: field
        for field in row._meta.concrete_fields  # public
        for name in (field.name, field.attname)
    }
    fields = [known[name] for name in dict.fromkeys(columns)]
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    pairs = ", ".join(f"{field.attname} = %s" for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE conversations_conversation c SET {pairs} WHERE c.id = %s{_DETAILS}",  # noqa: S608  # names of columns
            [*values, row.pk, sorted(ACTIVE)],
        )
        details = zip(("active_turn_id", "participant_ids"), cursor.fetchone(), strict=True)
    for name, value in details:
        setattr(row, name, value)


def people_of(row: Conversation) -> set[UUID]:
    """Return who sees a conversation, of a row of `with_details`."""
    return {row.owner_id, *selectors.participant_ids(row)}


def announce_several(conversation_ids: Sequence[UUID]) -> None:
    """Count one change in each of several locked conversations and tell people after the commit.

    What changed is saved already and shows in the conversations themselves; a handful of
    statements, however many there are.
    """
    Conversation.objects.filter(pk__in=conversation_ids).update(version=F("version") + 1)
    notices: dict[UUID, list[Notice]] = {}
    for row in selectors.with_details(Conversation.objects.filter(pk__in=conversation_ids)):
        for person in people_of(row):
            notices.setdefault(person, []).append(_conversation_notice(row))
    transaction.on_commit(lambda: publish(notices))


def _conversation_notice(row: Conversation) -> ConversationChanged:
    view = selectors.conversation_view(row)
    return ConversationChanged(version=row.version, conversation=as_json(view))


def _is_searched_for(change: Change) -> bool:
    # What a turn is still being written for is indexed together with its answer.
    if change.conversation.temporary:
        return False
    final = not change.turns and (change.new_messages or "title" in change.columns)
    return bool(change.messages or change.ended or final or change.copied)


def _notices(row: Conversation, change: Change, person: UUID) -> list[Notice]:
    at_hand = [*change.new_messages, *change.ended]
    turn_of = {turn.answer_id: turn for turn in change.turns}
    for message in at_hand:  # what `with_turns` reads for others
        turn = turn_of.get(message.pk)
        message.shows_reasoning = row.show_reasoning  # type: ignore[attr-defined]  # an annotation
        message.turn_error = turn.error if turn else None  # type: ignore[attr-defined]  # as above
        told = turn.context if turn else None
        message.memories_used = (told or {}).get("memories", 0)  # type: ignore[attr-defined]  # as above
    views = selectors.message_views(
        at_hand, turn_ids={answer_id: turn.pk for answer_id, turn in turn_of.items()}
    )
    if change.messages:
        rows = Message.objects.filter(pk__in=change.messages)
        views += selectors.message_views(selectors.with_turns(rows, viewer=person))
    notices: list[Notice] = [
        MessageChanged(version=row.version, conversation_id=row.pk, message=as_json(view))
        for view in views
    ]
    notices += [
        TurnChanged(
            version=row.version, conversation_id=row.pk, turn=as_json(selectors.turn_view(turn))
        )
        for turn in change.turns
    ]
    return [*notices, _conversation_notice(row)]


def announce_gone(conversation_id: UUID, people: Iterable[UUID]) -> None:
    """Tell people after the commit that a conversation is no longer theirs to see."""
    gone: list[Notice] = [ConversationGone(conversation_id=conversation_id)]
    notices = dict.fromkeys(people, gone)
    transaction.on_commit(lambda: publish(notices))


def announce_folders(person: UUID) -> None:
    """Tell a person after the commit what their folders are now."""
    folders = [as_json(view) for view in selectors.folder_views(owner_id=person)]
    notices: dict[UUID, list[Notice]] = {person: [FoldersChanged(folders=folders)]}
    transaction.on_commit(lambda: publish(notices))


def announce_attachment(person: UUID, attachment: dict[str, Any]) -> None:
    """Tell a person after the commit how an attachment stands; `attachment` as REST shows it."""
    notices: dict[UUID, list[Notice]] = {person: [AttachmentChanged(attachment=attachment)]}
    transaction.on_commit(lambda: publish(notices))


def record_change(action: str, conversation: Conversation, **data: Any) -> None:
    """Write the audit entry of a change; texts and titles are content and stay out of it."""
    audit.record(
        action=action,
        target_type="conversation",
        target_id=conversation.pk,
        target_label=str(conversation.pk),
        data=data or None,
    )
