"""What the tests of transparency look at: memories with words they rest on, names, a past."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.accounts.permissions import MEMORY_WRITE
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import EntityKind, MemoryChange, MemoryKind, Said
from apps.memory.models import Entity, Evidence, Memory, MemoryVersion, Mention, Subject
from apps.memory.services.subjects import locked_subject
from apps.memory.services.superseding import supersede_memory


@contextmanager
def as_person(actor: Actor, tenant: TenantRef) -> Iterator[UUID]:
    with scope.tenant_scope(tenant), scope.actor_scope(actor), scope.correlation_scope():
        assert actor.id is not None
        yield actor.id


def told(
    actor: Actor,
    text: str,
    *,
    kind: MemoryKind = MemoryKind.SEMANTIC,
    importance: int = 5,
    pinned: bool = False,
) -> Memory:
    """Remember as a person does, and return the row."""
    view = services.remember(
        actor=actor, permission=MEMORY_WRITE, text=text, kind=kind, importance=importance,
        pinned=pinned,
    ).memory  # fmt: skip
    return Memory.objects.get(pk=view.id)


def edit(actor: Actor, memory: Memory, **values: object) -> None:
    services.update_memory(
        actor=actor,
        permission=MEMORY_WRITE,
        memory_id=memory.pk,
        change=MemoryChange(**values),  # type: ignore[arg-type]  # passed on as given
    )


def say(actor: Actor, *texts: str, conversation_id: UUID | None = None) -> list[Said]:
    """Have words kept as a conversation hands them over."""
    assert actor.id is not None
    conversation, moment = conversation_id or new_id(), now()
    said = [
        Said(
            message_id=new_id(), conversation_id=conversation, speaker="Ann", by_assistant=False,
            text=text, said_at=moment + timedelta(seconds=number),
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip
    services.take_in(subject_id=actor.id, said=said)
    return said


def rest_on(memory: Memory, said: Said) -> None:
    """Give a memory evidence.

    Written directly: the extraction that does so asks a model.
    """
    Evidence.objects.create(
        memory=memory, message_id=said.message_id, speaker=said.speaker, quote=said.text,
        said_at=said.said_at,
    )  # fmt: skip
    Memory.objects.filter(pk=memory.pk).update(source_message_ids=[said.message_id])


def name_in(memory: Memory, *names: str, kind: EntityKind = EntityKind.PERSON) -> None:
    """Say that a memory mentions names; written directly, as evidence is."""
    for name in names:
        entity, _new = Entity.objects.get_or_create(
            subject_id=memory.subject_id, key=name.lower(), defaults={"name": name, "kind": kind}
        )
        Mention.objects.create(memory=memory, entity=entity)


def supersede(old: Memory, newer: Memory, *, at: datetime) -> None:
    """Let a memory have taken another one's place at a moment, as the write path does it now."""
    subject = locked_subject(old.subject_id)
    old.refresh_from_db()
    if old.superseded_by_id != newer.pk:  # the write path saw no difference
        supersede_memory(subject, old, newer, at=at)
    Memory.objects.filter(pk=old.pk).update(valid_from=None, valid_to=at, retired_at=at)
    MemoryVersion.objects.filter(memory=old).update(changed_at=at)


def learnt_on(memory: Memory, day: str) -> None:
    """Move the moment at which a memory was learnt into the past."""
    Memory.objects.filter(pk=memory.pk).update(created_at=noon(day))


def changed_on(memory: Memory, day: str) -> None:
    """Move all changes of a memory to a day."""
    MemoryVersion.objects.filter(memory=memory).update(changed_at=noon(day))


def noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)


def counts_of(subject_id: UUID) -> Sequence[int]:
    """Return what the subject's row says that there is."""
    row = Subject.objects.get(pk=subject_id)
    return row.said_count, row.said_words, row.memory_count, row.memory_words
