"""Taking in exported conversations: at once when there are few, in a task when there are many."""

import hashlib
import json
import zlib
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from pydantic import TypeAdapter

from apps.accounts.permissions import CHAT_CONFIG_EDIT, CHAT_MODE_SWITCH
from apps.audit import services as audit
from apps.conversations.contracts import (
    ImportedItem,
    ImportState,
    ImportView,
    Mode,
    ReasoningPart,
    TextPart,
)
from apps.conversations.domain.imported import (
    BadTransfer,
    ImportedConversation,
    ImportedMessage,
)
from apps.conversations.domain.transfer import read_conversations
from apps.conversations.errors import ImportInvalid, ImportNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.transfer import Import
from apps.conversations.rendering import as_json
from apps.conversations.selectors import require_owner
from apps.conversations.services.changes import Change, announce, record_change
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.providers.contracts import Role

IMPORT_TASK = "conversations.import"
REMEMBER_IMPORTED_TASK = "conversations.remember_imported"
LEASE_KIND = "import"
INLINE_CONVERSATIONS_MAX = 20
INLINE_BYTES_MAX = 1024 * 1024
_LEASE_TTL_S = 120.0
_AT_ONCE = 20
_ROWS_AT_ONCE = 500
_items = TypeAdapter(tuple[ImportedItem, ...])


def start_import(*, actor: Actor, permission: str, content: bytes) -> ImportView:
    """Take in a file of conversations: our own export or ChatGPT's `conversations.json`.

    A conversation that was imported before is not imported again: it is reported as a duplicate.
    Settings that the actor may not change by hand are not taken over. What was said is handed to
    memory by a task, as turns are.
    Small files are done when this returns; large ones are worked off by a task.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ImportInvalid: The file is none that we know, or nothing in it fits; names the place.
    """
    owner_id = require_owner(actor, permission)
    try:
        conversations = read_conversations(content)
    except BadTransfer as error:
        raise ImportInvalid(place=error.place, problem=error.problem) from error
    conversations = [_permitted(one, actor) for one in conversations]
    few = len(conversations) <= INLINE_CONVERSATIONS_MAX and len(content) <= INLINE_BYTES_MAX
    import_id = _keep(owner_id, hashlib.sha256(content).hexdigest(), conversations, in_task=not few)
    if few:
        run_import(import_id=import_id)
    return _view(Import.objects.defer("payload").get(pk=import_id))


def _permitted(one: ImportedConversation, actor: Actor) -> ImportedConversation:
    """Leave out what the actor could not have set by hand."""
    refused: dict[str, str] = {}
    if not actor.may(CHAT_CONFIG_EDIT):
        refused["system_instruction"] = ""
    if not actor.may(CHAT_MODE_SWITCH):
        refused["mode"] = Mode.DEFAULT.value
    return one.model_copy(update=refused) if refused else one


def get_import(*, actor: Actor, permission: str, import_id: UUID) -> ImportView:
    """Return how an import of the actor's stands.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ImportNotFound: It does not exist, or is somebody else's.
    """
    owner_id = require_owner(actor, permission)
    row = Import.objects.defer("payload").filter(pk=import_id, owner_id=owner_id).first()
    if row is None:
        raise ImportNotFound
    return _view(row)


@transaction.atomic(durable=True)
def _keep(
    owner_id: UUID, digest: str, conversations: list[ImportedConversation], *, in_task: bool
) -> UUID:
    running = Import.objects.filter(owner_id=owner_id, digest=digest, state=ImportState.RUNNING)
    present = running.values_list("pk", flat=True).first()
    if present is not None:  # the same file, while it is being worked off
        return present
    told = json.dumps([one.model_dump(mode="json") for one in conversations])
    row = Import(
        owner_id=owner_id,
        digest=digest,
        payload=zlib.compress(told.encode()),
        total=len(conversations),
    )
    row.save(force_insert=True)
    audit.record(
        action="conversation.import_started",
        target_type="import",
        target_id=row.pk,
        target_label=str(row.pk),
        data={"conversations": len(conversations)},
    )
    jobs.hold_lease(kind=LEASE_KIND, key=row.pk, owner="import", ttl_s=_LEASE_TTL_S)
    if in_task:
        jobs.enqueue_on_commit(IMPORT_TASK, import_id=row.pk)
    return row.pk


def run_import(*, import_id: UUID) -> None:
    """Work off an import from where it stands; two runs at once share the work.

    Each step is a transaction: a worker that dies is followed by another one through the lease.
    """
    payload = Import.objects.filter(pk=import_id, payload__isnull=False).values_list(
        "payload", flat=True
    )
    stored = payload.first()
    if stored is None:
        return
    told = json.loads(zlib.decompress(bytes(stored)))
    conversations = [ImportedConversation.model_validate(one) for one in told]
    while _step(import_id, conversations):
        pass


def recover_import(import_id: UUID) -> None:
    """Enqueue an import whose worker died; called by the reaper inside the tenant."""
    running = Import.objects.filter(pk=import_id, state=ImportState.RUNNING)
    if running.exists():
        jobs.hold_lease(kind=LEASE_KIND, key=import_id, owner="import", ttl_s=_LEASE_TTL_S)
        jobs.enqueue_on_commit(IMPORT_TASK, import_id=import_id)


@transaction.atomic(durable=True)
def _step(import_id: UUID, conversations: list[ImportedConversation]) -> bool:
    """Store the next few conversations; return whether there are more."""
    row = Import.objects.select_for_update().defer("payload").filter(pk=import_id).first()
    if row is None or row.state != ImportState.RUNNING:
        return False
    following = conversations[row.done : row.done + _AT_ONCE]
    items = [_store(row.owner_id, one) for one in following]
    new = [one.conversation_id for one in items if one.conversation_id and not one.duplicate]
    if new:
        jobs.enqueue_on_commit(REMEMBER_IMPORTED_TASK, conversation_ids=new)
    row.items = [*row.items, *(as_json(one) for one in items)]
    row.done += len(following)
    row.updated_at = now()
    columns = ["items", "done", "updated_at"]
    finished = row.done >= row.total
    if finished:
        row.state, row.payload = ImportState.DONE, None
        columns += ["state", "payload"]
        jobs.release_lease(kind=LEASE_KIND, key=import_id)
    else:
        jobs.hold_lease(kind=LEASE_KIND, key=import_id, owner="import", ttl_s=_LEASE_TTL_S)
    row.save(update_fields=columns)
    return not finished


def _store(owner_id: UUID, wanted: ImportedConversation) -> ImportedItem:
    if wanted.problem:
        return ImportedItem(place=wanted.place, title=wanted.title, problem=wanted.problem)
    key = f"import:{wanted.digest()[:56]}"
    mine = Conversation.objects.filter(owner_id=owner_id, client_key=key)
    present = mine.values_list("pk", flat=True).first()
    if present is None:
        try:
            with transaction.atomic():
                present = _create(owner_id, key, wanted)
        except IntegrityError:  # the same conversation in another import at the same moment
            present = mine.values_list("pk", flat=True).first()
        else:
            return ImportedItem(place=wanted.place, title=wanted.title, conversation_id=present)
    return ImportedItem(
        place=wanted.place, title=wanted.title, conversation_id=present, duplicate=True
    )


def _create(owner_id: UUID, key: str, wanted: ImportedConversation) -> UUID:
    when = wanted.created_at or now()
    conversation = Conversation(
        owner_id=owner_id,
        client_key=key,
        title=wanted.title,
        titled_by="person" if wanted.title else "",
        mode=wanted.mode,
        system_instruction=wanted.system_instruction,
        tags=list(wanted.tags),
        origin="import",
        created_at=when,
        updated_at=wanted.updated_at or when,
    )
    conversation.save(force_insert=True)
    rows: list[Message] = []
    for message in wanted.messages:
        parent = rows[message.parent] if message.parent is not None else None
        rows.append(_row(conversation, owner_id, message, parent, when=wanted.created_at))
    Message.objects.bulk_create(rows, batch_size=_ROWS_AT_ONCE)
    conversation.leaf = rows[wanted.leaf] if wanted.leaf is not None else rows[-1]
    record_change("conversation.imported", conversation, messages=len(rows))
    announce(Change(conversation=conversation, columns=("leaf",), copied=True, touched=False))
    return conversation.pk


def _row(
    conversation: Conversation,
    owner_id: UUID,
    message: ImportedMessage,
    parent: Message | None,
    *,
    when: datetime | None,
) -> Message:
    parts: list[ReasoningPart | TextPart] = []
    if message.reasoning:
        parts.append(ReasoningPart(text=message.reasoning))
    if message.text:
        parts.append(TextPart(text=message.text))
    moment = now()
    return Message(
        id=new_id(),
        conversation=conversation,
        parent=parent,
        role=message.role,
        parts=[part.model_dump(mode="json") for part in parts],
        model=message.model,
        author_id=owner_id if message.role == Role.USER else None,
        pinned_at=moment if message.pinned else None,
        created_at=message.created_at or when or moment,
    )


def _view(row: Import) -> ImportView:
    items = _items.validate_python(row.items)
    return ImportView(
        id=row.pk,
        state=ImportState(row.state),
        total=row.total,
        done=row.done,
        imported=sum(1 for i in items if i.conversation_id and not i.duplicate),
        duplicates=sum(1 for i in items if i.duplicate),
        failed=sum(1 for i in items if i.problem),
        items=items,
        created_at=row.created_at,
    )
