"""Prompts of the workspace in scope, or of the platform where none is: the gate and the views."""

import difflib
from collections.abc import Mapping
from uuid import UUID

from django.db.models import QuerySet

from apps.core import scope
from apps.core.errors import PermissionDenied
from apps.core.scope import Actor, ActorKind
from apps.providers import registry
from apps.providers.domain.drafts import digest_of, json_of, readable
from apps.providers.domain.prompt_specs import PromptSpec
from apps.providers.errors import PromptNotFound
from apps.providers.models.prompts import RUNNING, Prompt, PromptExperiment, PromptVersion
from apps.providers.prompts.in_force import (
    Wording,
    below_workspace,
    of_owner,
    shipped_wording,
    wording_of,
)
from apps.providers.prompts.views import PromptView, VersionView

DIFF_LINES_MAX = 2_000


def prompts_owner(*, actor: Actor, permission: str) -> UUID | None:
    """Return whose prompts `actor` may reach: the workspace's in scope, or None for the platform's.

    Raises:
        PermissionDenied: The actor lacks the permission, or is no operator on the platform.
    """
    tenant = scope.current()
    if tenant is not None:
        if not actor.may(permission):
            raise PermissionDenied(permission)
        return tenant.id
    if actor.kind not in {ActorKind.OPERATOR, ActorKind.SYSTEM}:
        raise PermissionDenied(permission)
    return None


def access_prompt(*, actor: Actor, permission: str, name: str, lock: bool = False) -> Prompt:
    """Return the row of a prompt that has versions here.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is none.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    rows = Prompt.objects.select_related("active").filter(of_owner(owner), name=name)
    row = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if row is None:
        raise PromptNotFound
    return row


def list_prompts(*, actor: Actor, permission: str) -> list[PromptView]:
    """Return every prompt, by name.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    rows = {row.name: row for row in _rows(owner)}
    platform = {row.name: row for row in _rows(None)} if owner is not None else {}
    running = _running(owner)
    names = sorted({spec.name for spec in registry.prompt_specs()} | rows.keys())
    return [_prompt_view(name, rows.get(name), platform.get(name), running) for name in names]


def get_prompt(*, actor: Actor, permission: str, name: str) -> PromptView:
    """Return one prompt.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is none of this name.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    row = _rows(owner).filter(name=name).first()
    if row is None and registry.find_prompt_spec(name) is None:
        raise PromptNotFound
    platform = _rows(None).filter(name=name).first() if owner is not None else None
    return _prompt_view(name, row, platform, _running(owner))


def list_prompt_versions(*, actor: Actor, permission: str, name: str) -> list[VersionView]:
    """Return the versions of a prompt, newest first, and last the shipped one if there is one.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no prompt of this name.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    row = Prompt.objects.filter(of_owner(owner), name=name).first()
    shipped = registry.find_prompt_spec(name)
    if row is None and shipped is None:
        raise PromptNotFound
    found: list[VersionView] = []
    if row is not None:
        found = [_version_view(row, version) for version in row.versions.all()]
    below = find_wording(owner=owner, name=name, number=0) if shipped is not None else None
    if below is not None:
        found.append(_below_view(below, active=row is None or row.active_id is None))
    return found


def get_prompt_version(*, actor: Actor, permission: str, name: str, number: int) -> VersionView:
    """Return one version; 0 is the shipped one.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is none of this number.
    """
    versions = list_prompt_versions(actor=actor, permission=permission, name=name)
    found = next((version for version in versions if version.number == number), None)
    if found is None:
        raise PromptNotFound
    return found


def find_wording(*, owner: UUID | None, name: str, number: int) -> Wording | None:
    """Return what version `number` of a prompt says; 0 for what stands below. None if unusable.

    Raises:
        PromptNotFound: There is none of this number.
    """
    version = find_version(owner=owner, name=name, number=number)
    if version is not None:
        return wording_of(name, version, workspace=owner is not None)
    return shipped_wording(name) if owner is None else below_workspace(name)


def find_version(*, owner: UUID | None, name: str, number: int) -> PromptVersion | None:
    """Return version `number` of a prompt; None for 0, what stands below.

    Raises:
        PromptNotFound: There is none of this number.
    """
    if number == 0:
        return None
    version = PromptVersion.objects.filter(
        of_owner(owner, "prompt__tenant"), prompt__name=name, number=number
    ).first()
    if version is None:
        raise PromptNotFound
    return version


def prompt_diff(*, actor: Actor, permission: str, name: str, old: int, new: int) -> list[str]:
    """Return how version `new` differs from `old`, as the lines of a unified diff.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: One of them does not exist.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    texts = []
    for number in (old, new):
        wording = find_wording(owner=owner, name=name, number=number)
        texts.append([] if wording is None else readable(wording.spec))
    lines = difflib.unified_diff(
        texts[0], texts[1], f"version {old}", f"version {new}", lineterm="", n=2
    )
    return list(lines)[:DIFF_LINES_MAX]


def _running(owner: UUID | None) -> dict[str, UUID]:
    rows = PromptExperiment.objects.filter(of_owner(owner, "prompt__tenant"), state=RUNNING)
    return dict(rows.values_list("prompt__name", "pk"))


def _rows(owner: UUID | None) -> QuerySet[Prompt]:
    return Prompt.objects.select_related("active").filter(of_owner(owner))


def _prompt_view(
    name: str, row: Prompt | None, platform: Prompt | None, running: Mapping[str, UUID]
) -> PromptView:
    shipped = registry.find_prompt_spec(name)
    wording = _held(name, row, platform)
    active = row.active if row is not None else None
    described = shipped.description if shipped else (row.description if row else "")
    return PromptView(
        name=name,
        description=described,
        origin=wording.origin.value if wording else "",
        version=wording.number if wording else 0,
        own_version=active.number if active else 0,
        versions_made=row.versions_made if row else 0,
        fragment=shipped is not None and shipped.fragment,
        shipped=shipped is not None,
        outdated=active is not None and _outdated(active, shipped),
        experiment_id=running.get(name),
        wording=json_of(wording.spec) if wording else {},
    )


def _held(name: str, *rows: Prompt | None) -> Wording | None:
    """Return what holds, as the rows say and not as this process remembers it."""
    for row in rows:
        if row is not None and row.active is not None:
            wording = wording_of(name, row.active, workspace=row.tenant_id is not None)
            if wording is not None:
                return wording
    return shipped_wording(name) if registry.find_prompt_spec(name) is not None else None


def _below_view(below: Wording, *, active: bool) -> VersionView:
    return VersionView(
        number=0,
        wording=json_of(below.spec),
        note="",
        author="" if below.number else "Karen",
        created_at=None,
        active=active,
        outdated=False,
        usable=True,
    )


def _outdated(version: PromptVersion, shipped: PromptSpec | None) -> bool:
    return shipped is not None and bool(version.base) and version.base != digest_of(shipped)


def _version_view(row: Prompt, version: PromptVersion) -> VersionView:
    wording = wording_of(row.name, version, workspace=row.tenant_id is not None)
    return VersionView(
        number=version.number,
        wording={
            "messages": version.messages,
            "variables": version.variables,
            "role": version.role,
            "think_first": version.think_first,
            "examples": version.examples,
            "examples_k": version.examples_k,
            "output_schema": version.output_schema,
        },
        note=version.note,
        author=version.author_label,
        created_at=version.created_at,
        active=row.active_id == version.pk,
        outdated=_outdated(version, registry.find_prompt_spec(row.name)),
        usable=wording is not None,
    )
