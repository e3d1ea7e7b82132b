"""Applying a conversation's options: the one place that checks and writes them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from apps.accounts.permissions import CHAT_CONFIG_EDIT, CHAT_MODE_SWITCH, CHAT_PERSONA_CHANGE
from apps.conversations.contracts import ConversationOptions, Mode
from apps.conversations.domain.personas import DEFAULT_PERSONA
from apps.conversations.errors import OptionNotAllowed, OwnerOnly, PersonaNotFound
from apps.conversations.models.conversations import Conversation, Folder
from apps.conversations.services.personas import find_persona
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
        OwnerOnly: A participant wants to rename or organise what is not theirs.
        OptionNotAllowed: The actor lacks the permission that an option needs.
        ModelNotFound: The model is not configured.
        PersonaNotFound: The conversation's owner has no such persona.
        InvalidInput: A value cannot be used; says which and why.
    """
    given = _normalised(options.model_dump(exclude_unset=True))
    _check_allowed(actor, conversation, given)
    columns: list[str] = []
    if given.get("model"):
        providers.get_model(str(given["model"]))
    if "title" in given:
        conversation.titled_by = "person"
        given["title"] = checked_title(str(given["title"] or ""))
        columns.append("titled_by")
    _check_folder(actor, given.get("folder_id"))
    _check_persona(conversation, given.get("persona"))
    for name in ("pinned", "archived"):
        if name in given:
            wanted = bool(given.pop(name))
            present = getattr(conversation, f"{name}_at")
            setattr(conversation, f"{name}_at", (present or now()) if wanted else None)
            columns.append(f"{name}_at")
    if "temporary" in given:
        _check_temporary(conversation, given)
        conversation.expires_at = end_of_temporary() if given["temporary"] else None
        columns.append("expires_at")
    for name, value in given.items():
        setattr(conversation, name, _stored(name, value))
        columns.append(name)
    return columns


def end_of_temporary() -> datetime:
    """Return when a temporary conversation that starts now is erased."""
    return now() + timedelta(hours=settings.CHAT_TEMPORARY_HOURS)


def _normalised(given: dict[str, object]) -> dict[str, object]:
    """Return the options as they are stored."""
    tags, tools = given.get("tags"), given.get("tools")
    if isinstance(tags, tuple):
        given["tags"] = sorted({" ".join(str(tag).split()) for tag in tags} - {""})
    if isinstance(tools, tuple):
        given["tools"] = list(tools)
    mode = given.get("mode")
    if isinstance(mode, Mode):
        given["mode"] = mode.value
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\x00" in text for text in texts):
            raise InvalidInput(fields={name: ["The character NUL cannot be stored: remove it."]})
    return given


# What an option needs beyond chatting, and what people call it.
_NEEDS: Mapping[str, tuple[str, str]] = {
    "persona": (CHAT_PERSONA_CHANGE, "persona"),
    "mode": (CHAT_MODE_SWITCH, "mode"),
    "system_instruction": (CHAT_CONFIG_EDIT, "instruction of the conversation"),
    "temperature": (CHAT_CONFIG_EDIT, "temperature"),
    "tools": (CHAT_CONFIG_EDIT, "list of tools"),
    "show_reasoning": (CHAT_CONFIG_EDIT, "display of reasoning"),
}
_OF_OWNER = frozenset({"title", "folder_id", "tags", "pinned", "archived", "temporary"})


def _check_allowed(actor: Actor, conversation: Conversation, given: dict[str, object]) -> None:
    """Refuse what the actor may not change; what stays as it is needs no permission."""
    if conversation.owner_id != actor.id and not _OF_OWNER.isdisjoint(given):
        raise OwnerOnly
    # A call of the OpenAI-compatible API brings its own instruction and temperature and names its
    # persona as a model: the conversation that carries it is nobody's to configure.
    carried = conversation.origin == "api" and conversation._state.adding
    for name, (permission, what) in _NEEDS.items():
        if name not in given or given[name] == getattr(conversation, name):
            continue
        if carried and permission in {CHAT_CONFIG_EDIT, CHAT_PERSONA_CHANGE}:
            continue
        if name == "persona" and {given[name], conversation.persona} == {"", DEFAULT_PERSONA}:
            continue
        if not actor.may(permission):
            raise OptionNotAllowed(what=what, permission=permission)


def _check_persona(conversation: Conversation, slug: object) -> None:
    if isinstance(slug, str) and find_persona(slug=slug, owner_id=conversation.owner_id) is None:
        raise PersonaNotFound


_NULLABLE = frozenset({"temperature", "tools", "folder_id"})


def _stored(name: str, value: object) -> object:
    if value is None and name not in _NULLABLE:
        raise InvalidInput(fields={name: ["This cannot be null."]})
    return value


def _check_folder(actor: Actor, folder_id: object) -> None:
    if not isinstance(folder_id, UUID):
        return
    # Shared: a folder that is being deleted waits for what was just put into it.
    folder = Folder.objects.select_for_update(no_key=True).filter(pk=folder_id).first()
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
