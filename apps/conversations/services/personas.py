"""Personas: who may make and change them, and what of them a turn uses."""

import re
from dataclasses import replace
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.accounts.permissions import CHAT_ADMIN, CHAT_PERSONA_CHANGE
from apps.audit import services as audit
from apps.conversations.contracts import (
    Mode,
    PersonaFields,
    PersonaOrigin,
    PersonaView,
    TurnSettings,
)
from apps.conversations.domain.modes import MODES
from apps.conversations.domain.personas import BUILTIN_PERSONAS, DEFAULT_PERSONA
from apps.conversations.errors import PersonaNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.personas import Persona
from apps.conversations.prompts import persona_instruction
from apps.conversations.routing import may_answer
from apps.conversations.selectors import require_owner
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.core.scope import Actor
from apps.providers import selectors as providers

PERSONAS_MAX = 100


def list_personas(*, actor: Actor, permission: str) -> list[PersonaView]:
    """Return the personas that the actor may use: built-in, the workspace's, the actor's own.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    user_id = require_owner(actor, permission)
    rows = Persona.objects.filter(Q(owner_id=user_id) | Q(owner_id__isnull=True))
    stored = sorted(map(persona_view, rows), key=lambda view: (view.origin, view.name, view.slug))
    return [*map(_instructed, BUILTIN_PERSONAS.values()), *stored]


def find_persona(*, slug: str, owner_id: UUID) -> PersonaView | None:
    """Return the persona of this name as its user sees it: own, then workspace's, then built-in."""
    builtin = BUILTIN_PERSONAS.get(slug or DEFAULT_PERSONA)
    if builtin is not None:
        return _instructed(builtin)
    rows = Persona.objects.filter(Q(owner_id=owner_id) | Q(owner_id__isnull=True), slug=slug)
    found = sorted(rows, key=lambda row: row.owner_id is None)
    return persona_view(found[0]) if found else None


def _instructed(builtin: PersonaView) -> PersonaView:
    """Return a built-in persona with what it is told in this workspace."""
    return replace(builtin, instruction=persona_instruction(builtin.slug))


def persona_view(row: Persona) -> PersonaView:
    """Map a persona."""
    return PersonaView(
        slug=row.slug,
        name=row.name,
        description=row.description,
        instruction=row.instruction,
        model=row.model,
        temperature=row.temperature,
        tools=None if row.tools is None else tuple(row.tools),
        origin=PersonaOrigin.WORKSPACE if row.owner_id is None else PersonaOrigin.OWN,
    )


def persona_of(conversation: Conversation) -> PersonaView:
    """Return a conversation's persona; the default one where its own was deleted since."""
    found = find_persona(slug=conversation.persona, owner_id=conversation.owner_id)
    return found or _instructed(BUILTIN_PERSONAS[DEFAULT_PERSONA])


def preferred_model(conversation: Conversation) -> str | None:
    """Return the model that the conversation's persona prefers, if it is there and may answer."""
    wanted = persona_of(conversation).model
    return wanted if wanted and may_answer(conversation, wanted) else None


def turn_settings(conversation: Conversation) -> TurnSettings:
    """Return what a turn queued now uses, with the defaults of persona and mode filled in."""
    persona, mode = persona_of(conversation), Mode(conversation.mode)
    temperatures = (conversation.temperature, persona.temperature, MODES[mode].temperature)
    return TurnSettings(
        mode=mode,
        persona=persona.slug,
        persona_name=persona.name,
        persona_instruction=persona.instruction,
        system_instruction=conversation.system_instruction,
        temperature=next((value for value in temperatures if value is not None), None),
        memory_enabled=conversation.memory_enabled
        and (not conversation.temporary or conversation.origin == "api"),
        show_reasoning=conversation.show_reasoning,
        sensitive=conversation.sensitive,
        tools=_tools(conversation.tools, persona.tools),
    )


def _tools(chosen: list[str] | None, allowed: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if chosen is None or allowed is None:
        return allowed if chosen is None else tuple(chosen)
    return tuple(name for name in chosen if name in allowed)


@transaction.atomic(durable=True)
def create_persona(*, actor: Actor, permission: str, fields: PersonaFields) -> PersonaView:
    """Make a persona: the actor's own, or one for the whole workspace.

    Raises:
        PermissionDenied: The actor may not change personas, or not those of the workspace.
        InvalidInput: The name is missing, or nothing of it can be an address.
        Conflict: Another persona has the name already, or there are too many.
        ModelNotFound: The model is not configured.
    """
    user_id = require_owner(actor, permission)
    _require(actor, CHAT_ADMIN if fields.workspace else CHAT_PERSONA_CHANGE)
    if not fields.name or not fields.name.strip():
        raise InvalidInput(fields={"name": ["Give the persona a name."]})
    slug = fields.slug or _slug_of(fields.name)
    if find_persona(slug=slug, owner_id=user_id) is not None:
        raise Conflict("There is a persona of this name already. Choose another one.")
    owner_id = None if fields.workspace else user_id
    if Persona.objects.filter(owner_id=owner_id).count() >= PERSONAS_MAX:
        raise Conflict(f"There are {PERSONAS_MAX} personas already. Delete one first.")
    row = Persona(owner_id=owner_id, slug=slug)
    _write(row, fields)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict("There is a persona of this name already. Choose another one.") from None
    _record("persona.created", row)
    return persona_view(row)


@transaction.atomic(durable=True)
def change_persona(
    *, actor: Actor, permission: str, slug: str, fields: PersonaFields
) -> PersonaView:
    """Change the given fields of a persona; turns that are queued already keep what they had.

    Raises:
        PermissionDenied: The actor may not change this persona.
        PersonaNotFound: It does not exist, or is not the actor's to see.
        Conflict: It is built in.
        ModelNotFound: The model is not configured.
    """
    row = _access_persona(actor=actor, permission=permission, slug=slug)
    columns = _write(row, fields)
    if columns:
        row.updated_at = now()
        row.save(update_fields=[*columns, "updated_at"])
        _record("persona.changed", row)
    return persona_view(row)


@transaction.atomic(durable=True)
def delete_persona(*, actor: Actor, permission: str, slug: str) -> None:
    """Delete a persona; conversations that use it go on with the default one.

    Raises:
        PermissionDenied: The actor may not change this persona.
        PersonaNotFound: It does not exist, or is not the actor's to see.
        Conflict: It is built in.
    """
    row = _access_persona(actor=actor, permission=permission, slug=slug)
    _record("persona.deleted", row)
    row.delete()


def _access_persona(*, actor: Actor, permission: str, slug: str) -> Persona:
    user_id = require_owner(actor, permission)
    if slug in BUILTIN_PERSONAS:
        raise Conflict("Built-in personas cannot be changed. Make your own one instead.")
    rows = Persona.objects.select_for_update().filter(
        Q(owner_id=user_id) | Q(owner_id__isnull=True), slug=slug
    )
    found = sorted(rows, key=lambda row: row.owner_id is None)
    if not found:
        raise PersonaNotFound
    _require(actor, CHAT_ADMIN if found[0].owner_id is None else CHAT_PERSONA_CHANGE)
    return found[0]


def _require(actor: Actor, permission: str) -> None:
    if not actor.may(permission):
        raise PermissionDenied(permission)


_NULLABLE = frozenset({"temperature", "tools"})


def _write(row: Persona, fields: PersonaFields) -> list[str]:
    given = fields.model_dump(exclude_unset=True, exclude={"slug", "workspace"})
    if given.get("model"):
        providers.get_model(given["model"])
    if given.get("tools") is not None:
        given["tools"] = sorted(set(given["tools"]))
    for name, value in given.items():
        if value is None and name not in _NULLABLE:
            raise InvalidInput(fields={name: ["This cannot be null."]})
        if isinstance(value, str) and "\x00" in value:
            raise InvalidInput(fields={name: ["The character NUL cannot be stored: remove it."]})
        setattr(row, name, " ".join(value.split()) if name == "name" else value)
    if not row.name:
        raise InvalidInput(fields={"name": ["Give the persona a name."]})
    return list(given)


def _slug_of(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")
    if not slug:
        raise InvalidInput(fields={"slug": ["Give a slug of letters a to z and digits."]})
    return slug


def _record(action: str, row: Persona) -> None:
    audit.record(
        action=action,
        target_type="persona",
        target_id=row.pk,
        target_label=row.slug,
        data={"workspace": row.owner_id is None},
    )
