"""A person's folders of conversations."""

from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.conversations.contracts import FolderView
from apps.conversations.errors import FolderNotFound
from apps.conversations.models.conversations import Conversation, Folder
from apps.conversations.selectors import folder_views, require_owner
from apps.conversations.services.changes import announce_folders, announce_several
from apps.core.errors import Conflict, InvalidInput
from apps.core.scope import Actor

FOLDERS_MAX = 200
NAME_MAX = 100
_LOOKS = 20  # each finds what others put into the folder since the last one
_TAKEN = "You have a folder of this name already."


class _Changed(Exception):
    """A conversation came into the folder while it was being deleted: look again."""


@transaction.atomic(durable=True)
def create_folder(*, actor: Actor, permission: str, name: str) -> FolderView:
    """Make a folder after the actor's others.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: The name is empty or too long.
        Conflict: The actor has one of this name, or too many.
    """
    owner_id = require_owner(actor, permission)
    present = list(Folder.objects.select_for_update().filter(owner_id=owner_id))
    if len(present) >= FOLDERS_MAX:
        raise Conflict(f"You have {FOLDERS_MAX} folders already. Delete one first.")
    folder = Folder(owner_id=owner_id, name=_checked_name(name), position=len(present))
    try:
        with transaction.atomic():
            folder.save(force_insert=True)
    except IntegrityError:
        raise Conflict(_TAKEN) from None
    _record("folder.created", folder)
    announce_folders(owner_id)
    return _view_of(folder, owner_id)


@transaction.atomic(durable=True)
def change_folder(
    *,
    actor: Actor,
    permission: str,
    folder_id: UUID,
    name: str | None = None,
    position: int | None = None,
) -> FolderView:
    """Rename a folder, or put it at a place among the actor's folders, counted from 0.

    Raises:
        PermissionDenied: The actor lacks the permission.
        FolderNotFound: It does not exist, or is somebody else's.
        InvalidInput: The name is empty or too long.
        Conflict: The actor has another one of this name.
    """
    owner_id = require_owner(actor, permission)
    folders = list(Folder.objects.select_for_update().filter(owner_id=owner_id))
    folder = next((one for one in folders if one.pk == folder_id), None)
    if folder is None:
        raise FolderNotFound
    if name is not None:
        folder.name = _checked_name(name)
        try:
            with transaction.atomic():
                folder.save(update_fields=["name"])
        except IntegrityError:
            raise Conflict(_TAKEN) from None
    if position is not None:
        _reorder(folders, folder, position)
    _record("folder.changed", folder)
    announce_folders(owner_id)
    return _view_of(folder, owner_id)


def delete_folder(*, actor: Actor, permission: str, folder_id: UUID) -> None:
    """Delete a folder; the conversations in it stay, outside of any folder.

    Raises:
        PermissionDenied: The actor lacks the permission.
        FolderNotFound: It does not exist, or is somebody else's.
        Conflict: Conversations keep being put into it at this very moment.
    """
    for _attempt in range(_LOOKS):
        try:
            _delete_once(actor=actor, permission=permission, folder_id=folder_id)
        except _Changed:
            continue
        return
    raise Conflict


@transaction.atomic(durable=True)
def _delete_once(*, actor: Actor, permission: str, folder_id: UUID) -> None:
    owner_id = require_owner(actor, permission)
    # Conversations before their folder: whoever moves one locks in this order too.
    inside = Conversation.objects.filter(folder_id=folder_id, folder__owner_id=owner_id)
    moved = list(
        inside.order_by("id")
        .select_for_update(of=("self",), no_key=True)
        .values_list("pk", flat=True)
    )
    folder = Folder.objects.select_for_update().filter(pk=folder_id, owner_id=owner_id).first()
    if folder is None:
        raise FolderNotFound
    if inside.exclude(pk__in=moved).exists():
        raise _Changed
    _record("folder.deleted", folder)
    Conversation.objects.filter(pk__in=moved).update(folder=None)
    folder.delete()
    announce_several(moved)
    announce_folders(owner_id)


def _checked_name(name: str) -> str:
    cleaned = " ".join(name.replace("\x00", "").split())
    if not cleaned:
        raise InvalidInput(fields={"name": ["Give the folder a name."]})
    if len(cleaned) > NAME_MAX:
        raise InvalidInput(fields={"name": [f"At most {NAME_MAX} characters."]})
    return cleaned


def _reorder(folders: list[Folder], folder: Folder, position: int) -> None:
    others = [one for one in folders if one.pk != folder.pk]
    others.insert(min(max(position, 0), len(others)), folder)
    for place, one in enumerate(others):
        one.position = place
    Folder.objects.bulk_update(others, ["position"])


def _view_of(folder: Folder, owner_id: UUID) -> FolderView:
    return next(view for view in folder_views(owner_id=owner_id) if view.id == folder.pk)


def _record(action: str, folder: Folder) -> None:
    audit.record(
        action=action,
        target_type="folder",
        target_id=folder.pk,
        target_label=str(folder.pk),  # a name is content and stays out of the record
    )
