"""Applying a conversation's options: the one place that checks and writes them."""

from uuid import UUID

from apps.conversations.contracts import ConversationOptions
from apps.conversations.models.conversations import Conversation, Folder
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers import selectors as providers

TITLE_LIMIT = 200


def apply_options(
    *, actor: Actor, conversation: Conversation, options: ConversationOptions
) -> list[str]:
    """Write the given options onto an unsaved or locked row; fields not given stay.

    Returns:
        The names of the columns that were written, for `save(update_fields=…)`.

    Raises:
        ModelNotFound: The model is not configured.
        InvalidInput: A value cannot be used; says which and why.
    """
    given = options.model_dump(exclude_unset=True)
    columns: list[str] = []
    if given.get("model"):
        providers.get_model(given["model"])
    if "title" in given:
        conversation.titled_by = "person"
        given["title"] = checked_title(given["title"] or "")
        columns.append("titled_by")
    if given.get("folder_id") is not None:
        _check_folder(actor, given["folder_id"])
    for name in ("pinned", "archived"):
        if name in given:
            wanted = bool(given.pop(name))
            setattr(conversation, f"{name}_at", now() if wanted else None)
            columns.append(f"{name}_at")
    if "tags" in given:
        given["tags"] = sorted({" ".join(tag.split()) for tag in given["tags"] or ()} - {""})
    if given.get("tools") is not None:
        given["tools"] = list(given["tools"])
    if "temporary" in given:
        _check_temporary(conversation, given)
    for name, value in given.items():
        setattr(conversation, name, _stored(name, value))
        columns.append(name)
    return columns


_NULLABLE = frozenset({"temperature", "tools", "folder_id"})


def _stored(name: str, value: object) -> object:
    if value is None and name not in _NULLABLE:
        raise InvalidInput(fields={name: ["This cannot be null."]})
    return value


def _check_folder(actor: Actor, folder_id: UUID) -> None:
    folder = Folder.objects.filter(pk=folder_id).first()
    if folder is None or folder.owner_id != actor.id:
        raise InvalidInput(fields={"folder_id": ["You have no such folder."]})


def _check_temporary(conversation: Conversation, given: dict[str, object]) -> None:
    if not conversation._state.adding and given["temporary"] != conversation.temporary:
        raise InvalidInput(
            fields={"temporary": ["A conversation is temporary from its start or not at all."]}
        )


def checked_title(title: str) -> str:
    """Return the title with single spaces.

    Raises:
        InvalidInput: It is too long or empty.
    """
    cleaned = " ".join(title.split())
    if len(cleaned) > TITLE_LIMIT:
        raise InvalidInput(fields={"title": [f"At most {TITLE_LIMIT} characters."]})
    if not cleaned:
        raise InvalidInput(fields={"title": ["A title cannot be empty."]})
    return cleaned
