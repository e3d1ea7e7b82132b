"""Forgetting a lot at once: everything about a person, or everything about a topic."""

from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.memory import metrics
from apps.memory.contracts import Forgotten
from apps.memory.models import (
    Changeset,
    Entity,
    Evidence,
    Memory,
    Posting,
    Subject,
    Utterance,
)
from apps.memory.selectors import require_subject
from apps.memory.services.erasing import erase_memories
from apps.memory.services.said import erase_said
from apps.memory.services.subjects import locked_subject

_TOPIC_MAX = 200


@transaction.atomic
def forget_all(*, actor: Actor, permission: str, with_said: bool = True) -> Forgotten:
    """Erase everything that is remembered about the actor.

    Args:
        actor: Whom it is about.
        permission: What the edge demands.
        with_said: What was said word for word as well; the messages themselves stay.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    subject = locked_subject(require_subject(actor, permission))
    mine = Memory.objects.filter(subject_id=subject.pk)
    done = Forgotten(
        memories=mine.count(),
        entities=Entity.objects.filter(subject=subject).count(),
        said=Utterance.objects.filter(subject=subject).count() if with_said else 0,
    )
    Posting.objects.filter(subject=subject, place__lt=0).delete()
    mine.delete()
    Changeset.objects.filter(subject=subject).delete()
    Entity.objects.filter(subject=subject).delete()
    subject.memory_count = subject.memory_words = 0
    if with_said:
        Posting.objects.filter(subject=subject).delete()
        Utterance.objects.filter(subject=subject).delete()
        subject.said_count = subject.said_words = 0
        subject.speakers = []
    subject.save(
        update_fields=["memory_count", "memory_words", "said_count", "said_words", "speakers"]
    )
    _record(subject, done, what="all")
    return done


@transaction.atomic
def forget_about(
    *,
    actor: Actor,
    permission: str,
    topic: str = "",
    entity_id: UUID | None = None,
    dry_run: bool = False,
) -> Forgotten:
    """Erase what is remembered about a topic: what mentions it by name or has all its words.

    What was said word for word is looked through as well; the messages themselves stay.

    Args:
        actor: Whom it is about.
        permission: What the edge demands.
        topic: A name or a few words; empty where an entity is given.
        entity_id: A person, place or thing that the actor's memories name.
        dry_run: Erase nothing and return how much it would be.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: Neither topic nor entity says anything.
    """
    subject = locked_subject(require_subject(actor, permission))
    with transaction.atomic():
        done = _forget_about(subject, _named(subject, topic, entity_id))
        if dry_run:
            transaction.set_rollback(True)
    if not dry_run:
        _record(subject, done, what="topic")
    return done


def _named(subject: Subject, topic: str, entity_id: UUID | None) -> str:
    if entity_id is not None:
        entity = Entity.objects.filter(subject=subject, pk=entity_id).first()
        topic = entity.name if entity else ""
    asked = " ".join(topic.split())
    if not asked or len(asked) > _TOPIC_MAX:
        reason = f"Name what to forget, in at most {_TOPIC_MAX} characters."
        raise InvalidInput(fields={"topic": [reason]})
    return asked


def _forget_about(subject: Subject, topic: str) -> Forgotten:
    words = SearchQuery(topic, config="english", search_type="plain")
    named = Q(mentions__entity__key=topic.casefold())
    ids = set(
        Memory.objects.filter(named | Q(words=words), subject_id=subject.pk)
        .order_by()
        .values_list("pk", flat=True)
    )
    said = list(
        Utterance.objects.annotate(found=SearchVector("text", config="english"))
        .filter(subject=subject, found=words)
        .values_list("pk", flat=True)
    )
    done = erase_memories(subject, ids, reason="topic")
    Evidence.objects.filter(memory__subject_id=subject.pk, message_id__in=said).delete()
    return Forgotten(memories=done.memories, entities=done.entities, said=erase_said(subject, said))


def _record(subject: Subject, done: Forgotten, *, what: str) -> None:
    """Write the audit entry; what the topic was is content and stays out of it."""
    audit.record(
        action="memory.forgotten",
        target_type="memory_subject",
        target_id=subject.pk,
        target_label=str(subject.pk),
        data={"what": what, "memories": done.memories, "said": done.said},
    )
    metrics.erased_total.labels("said", what).inc(done.said)
    if what == "all":
        metrics.erased_total.labels("memory", what).inc(done.memories)
