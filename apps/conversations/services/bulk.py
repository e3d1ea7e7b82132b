"""One action for many conversations: each by itself, done or refused with its reason."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from apps.conversations.contracts import BulkAction, BulkChange, BulkResult, ConversationOptions
from apps.conversations.models.conversations import Conversation
from apps.conversations.selectors import access_conversation, require_owner
from apps.conversations.services.conversations import change_options, delete_conversation
from apps.core.envelope import error_body
from apps.core.errors import InvalidInput, KarenError
from apps.core.scope import Actor

_TAGS_MAX = 20


def change_conversations(*, actor: Actor, permission: str, wanted: BulkChange) -> list[BulkResult]:
    """Do one action to several conversations, each in a transaction of its own.

    Returns:
        What became of each, in the order of `wanted.ids`; the same id twice is one.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: The action lacks its folder or tag.
    """
    require_owner(actor, permission)
    if wanted.action in {BulkAction.TAG, BulkAction.UNTAG} and not _tag_of(wanted):
        raise InvalidInput(fields={"tag": ["Say which tag."]})
    return [
        _change_one(actor=actor, permission=permission, conversation_id=one, wanted=wanted)
        for one in dict.fromkeys(wanted.ids)
    ]


def _change_one(
    *, actor: Actor, permission: str, conversation_id: UUID, wanted: BulkChange
) -> BulkResult:
    try:
        if wanted.action is BulkAction.DELETE:
            delete_conversation(actor=actor, conversation_id=conversation_id, permission=permission)
        else:
            _configure_one(
                actor=actor, permission=permission, conversation_id=conversation_id, wanted=wanted
            )
    except KarenError as error:
        return BulkResult(id=conversation_id, done=False, error=error_body(error))
    return BulkResult(id=conversation_id, done=True)


@transaction.atomic(durable=True)
def _configure_one(
    *, actor: Actor, permission: str, conversation_id: UUID, wanted: BulkChange
) -> None:
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    options = _OPTIONS[wanted.action](conversation, wanted)
    change_options(actor=actor, conversation=conversation, options=options)


def _tag_of(wanted: BulkChange) -> str:
    return " ".join(wanted.tag.split())


def _tagged(conversation: Conversation, wanted: BulkChange) -> ConversationOptions:
    tags = sorted({*conversation.tags, _tag_of(wanted)})
    if len(tags) > _TAGS_MAX:
        raise InvalidInput(fields={"tag": [f"At most {_TAGS_MAX} tags."]})
    return ConversationOptions(tags=tuple(tags))


def _untagged(conversation: Conversation, wanted: BulkChange) -> ConversationOptions:
    return ConversationOptions(
        tags=tuple(tag for tag in conversation.tags if tag != _tag_of(wanted))
    )


_OPTIONS: dict[BulkAction, Callable[[Conversation, BulkChange], ConversationOptions]] = {
    BulkAction.ARCHIVE: lambda _row, _wanted: ConversationOptions(archived=True),
    BulkAction.UNARCHIVE: lambda _row, _wanted: ConversationOptions(archived=False),
    BulkAction.PIN: lambda _row, _wanted: ConversationOptions(pinned=True),
    BulkAction.UNPIN: lambda _row, _wanted: ConversationOptions(pinned=False),
    BulkAction.MOVE: lambda _row, wanted: ConversationOptions(folder_id=wanted.folder_id),
    BulkAction.TAG: _tagged,
    BulkAction.UNTAG: _untagged,
}
