"""Changing what models are told: versions that are never changed, and which of them holds.

In a workspace this changes the workspace's own; on the platform, for operators, what holds for
every workspace that has none.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.scope import Actor
from apps.providers import registry
from apps.providers.domain.drafts import (
    OWN_PREFIX,
    DraftFault,
    digest_of,
    is_prompt_name,
    json_of,
    spec_from,
)
from apps.providers.domain.prompt_specs import PromptSpec
from apps.providers.errors import ExperimentRuns, PromptInvalid, PromptNotFound
from apps.providers.models.prompts import RUNNING, Prompt, PromptVersion
from apps.providers.prompts.in_force import forget_prompts, of_owner, wording_of
from apps.providers.prompts.reading import (
    access_prompt,
    get_prompt,
    get_prompt_version,
    prompts_owner,
)
from apps.providers.prompts.views import PromptView, VersionView

OWN_PROMPTS_MAX = 200
VERSIONS_MAX = 1_000
_HISTORY_MAX = 50
_NOTE_CHARACTERS = 300


@transaction.atomic  # the console writes inside its own transaction
def create_prompt_version(
    *,
    actor: Actor,
    permission: str,
    name: str,
    draft: Mapping[str, Any],
    note: str = "",
    description: str = "",
) -> VersionView:
    """Keep another wording of a prompt; it does not hold before it is activated.

    A wording equal to the newest version is no new one: that version is returned.

    Args:
        actor: Who writes it.
        permission: What the edge demands.
        name: A prompt that ships with Karen, or one of the workspace's own, `custom.…`.
        draft: The wording, as `domain.drafts.spec_from` reads it.
        note: Why, for people.
        description: What it is for; only for prompts of one's own.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: Neither does it ship with Karen nor is it one of one's own.
        PromptInvalid: The wording cannot be used; says which part and why.
        Conflict: There are too many prompts or versions.
        InvalidInput: Note or description are too long.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    shipped = registry.find_prompt_spec(name)
    if shipped is None and not (name.startswith(OWN_PREFIX) and is_prompt_name(name)):
        raise PromptNotFound
    spec = _checked(draft, name, shipped)
    _check_words(note=note, description=description)
    row = _locked(owner, name, description)
    kept = json_of(spec)
    newest = row.versions.first()
    if newest is not None and all(getattr(newest, key) == kept[key] for key in kept):
        return get_prompt_version(
            actor=actor, permission=permission, name=name, number=newest.number
        )
    if row.versions_made >= VERSIONS_MAX:
        raise Conflict(_("The prompt has too many versions."))
    row.versions_made += 1
    row.updated_at = now()
    row.save(update_fields=["versions_made", "updated_at"])
    version = PromptVersion.objects.create(
        prompt=row,
        number=row.versions_made,
        note=note,
        base=digest_of(shipped) if shipped is not None else "",
        author_id=actor.id,
        author_label=actor.label[:254],
        **kept,
    )
    _record("prompt.version_created", row, new={"version": version.number, "note": note})
    return get_prompt_version(actor=actor, permission=permission, name=name, number=version.number)


@transaction.atomic(durable=True)
def activate_prompt_version(*, actor: Actor, permission: str, name: str, number: int) -> PromptView:
    """Have a version hold from now on; 0 gives way to what stands below. Twice changes nothing.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such prompt or version.
        PromptInvalid: The version does not fit its callers any more.
        ExperimentRuns: An experiment decides at present which version is used.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    if number == 0 and not Prompt.objects.filter(of_owner(owner), name=name).exists():
        return get_prompt(actor=actor, permission=permission, name=name)
    row = access_prompt(actor=actor, permission=permission, name=name, lock=True)
    change_active(row, number=number, action="prompt.activated")
    return get_prompt(actor=actor, permission=permission, name=name)


@transaction.atomic(durable=True)
def rollback_prompt(*, actor: Actor, permission: str, name: str) -> PromptView:
    """Have the version hold again that held before; again and again goes further back.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: Nothing was ever changed here.
        Conflict: There is nothing before.
        PromptInvalid: The version before does not fit its callers any more.
        ExperimentRuns: An experiment decides at present which version is used.
    """
    row = access_prompt(actor=actor, permission=permission, name=name, lock=True)
    if not row.history:
        raise Conflict(_("No other version held before this one."))
    before = row.history.pop()
    change_active(row, number=before, action="prompt.rolled_back", remember=False)
    return get_prompt(actor=actor, permission=permission, name=name)


def change_active(row: Prompt, *, number: int, action: str, remember: bool = True) -> None:
    """Have a version of a locked prompt hold, inside the caller's transaction.

    Args:
        row: The prompt.
        number: The version; 0 for what stands below.
        action: What the audit record calls it.
        remember: Keep the version that held until now for a rollback.

    Raises:
        PromptNotFound: There is no such version.
        PromptInvalid: It does not fit its callers any more.
        ExperimentRuns: An experiment decides at present which version is used.
    """
    if row.experiments.filter(state=RUNNING).exists():
        raise ExperimentRuns
    version = usable_version(row, number) if number else None
    held = row.active.number if row.active is not None else 0
    if held == number:
        return
    if remember:
        row.history = [*row.history, held][-_HISTORY_MAX:]
    row.active = version
    row.updated_at = now()
    row.save(update_fields=["active", "history", "updated_at"])
    _record(action, row, old={"version": held}, new={"version": number})
    transaction.on_commit(forget_prompts)


def usable_version(row: Prompt, number: int) -> PromptVersion:
    """Return a version of a prompt that can be rendered.

    Raises:
        PromptNotFound: There is no such version.
        PromptInvalid: It does not fit its callers any more.
    """
    version = row.versions.filter(number=number).first()
    if version is None:
        raise PromptNotFound
    if wording_of(row.name, version, workspace=row.tenant_id is not None) is None:
        raise PromptInvalid(prompt=row.name, part=f"version {number}", problem="is outdated")
    return version


def _checked(draft: Mapping[str, Any], name: str, shipped: PromptSpec | None) -> PromptSpec:
    try:
        return spec_from(draft, name=name, shipped=shipped)
    except DraftFault as fault:
        raise PromptInvalid(prompt=name, part=fault.part, problem=fault.problem) from None


def _check_words(**words: str) -> None:
    for field, text in words.items():
        if len(text) > _NOTE_CHARACTERS or "\x00" in text:
            reason = _("At most %(most)d characters.") % {"most": _NOTE_CHARACTERS}
            raise InvalidInput(fields={field: [reason]})


def _locked(owner: UUID | None, name: str, description: str) -> Prompt:
    """Return the prompt's row, made where there was none; locked, so that numbers are in order."""
    own = Prompt.objects.filter(of_owner(owner), name__startswith=OWN_PREFIX)
    if name.startswith(OWN_PREFIX) and own.exclude(name=name).count() >= OWN_PROMPTS_MAX:
        raise Conflict(_("There are too many prompts. Use one that exists."))
    made = Prompt(tenant_id=owner, name=name, description=description)
    Prompt.objects.bulk_create([made], ignore_conflicts=True)  # a twin may make it first
    row = Prompt.objects.select_for_update().get(of_owner(owner), name=name)
    if description and row.description != description:
        row.description = description
        row.save(update_fields=["description"])
    return row


def _record(
    action: str,
    row: Prompt,
    *,
    old: dict[str, object] | None = None,
    new: dict[str, object] | None = None,
) -> None:
    """Write the audit entry; the texts are in the versions, which nobody changes."""
    audit.record(
        action=action,
        target_type="prompt",
        target_id=row.pk,
        target_label=row.name,
        old=old,
        new=new,
    )
