"""What was said, kept word for word so that it can be recalled."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.jobs import services as jobs
from apps.memory import metrics, postings
from apps.memory.contracts import Said, SubjectKind
from apps.memory.domain.dates import names_time, periods_in
from apps.memory.domain.texts import cleaned
from apps.memory.models import Subject, Utterance
from apps.memory.models.said import SESSION_SIZE
from apps.memory.secrets import without_secrets
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.subjects import locked_subject

SAID_MAX = 8_000  # characters of one message that are indexed; its beginning
SESSION_GAP = timedelta(hours=6)


@transaction.atomic
def take_in(
    *,
    subject_id: UUID,
    said: Sequence[Said],
    kind: SubjectKind = SubjectKind.PERSON,
) -> int:
    """Keep messages word for word, in their order; what is kept already stays as it is.

    They can be recalled by their words when this commits, by their meaning about a second later.
    Secrets are left out. A conversation goes on in its session until it rests for six hours.

    Args:
        subject_id: Whose memory.
        said: Messages, those of one conversation in their order.
        kind: What the subject is, where it is new.

    Returns:
        How many were new.
    """
    subject = locked_subject(subject_id, kind)
    by_id: dict[UUID, Said] = {}
    for each in said:
        by_id.setdefault(each.message_id, each)
    known = set(Utterance.objects.filter(pk__in=list(by_id)).values_list("pk", flat=True))
    new = [each for each in by_id.values() if each.message_id not in known and cleaned(each.text)]
    if not new:
        return 0
    rows = _placed(subject, new)
    lengths = postings.write(subject_id, {row.place: row.text for row in rows})
    for row in rows:
        row.words = lengths.get(row.place, 0)
    Utterance.objects.bulk_create(rows)
    subject.said_count += len(rows)
    subject.said_words += sum(lengths.values())
    subject.save(update_fields=["said_count", "said_words", "last_session", "speakers"])
    jobs.enqueue_on_commit(EMBED_TASK)
    metrics.memory_writes_total.labels("said").inc(len(rows))
    return len(rows)


def _placed(subject: Subject, said: Sequence[Said]) -> list[Utterance]:
    """Return the rows in their places; moves the subject's last session on."""
    last = _last_places(subject.pk, {each.conversation_id for each in said})
    rows = []
    for each in said:
        place, when = last.get(each.conversation_id, (0, each.said_at))
        if not place or (place + 2) % SESSION_SIZE == 0 or each.said_at - when > SESSION_GAP:
            subject.last_session += 1
            place = subject.last_session * SESSION_SIZE
        last[each.conversation_id] = (place + 1, each.said_at)
        rows.append(_utterance(subject, each, place + 1))
    return rows


def _utterance(subject: Subject, said: Said, place: int) -> Utterance:
    text = without_secrets(cleaned(said.text[:SAID_MAX]))
    periods = periods_in(text, said.said_at.date())
    name = said.speaker[:120]
    if name not in subject.speakers:
        subject.speakers.append(name)
    return Utterance(
        id=said.message_id,
        subject_id=subject.pk,
        conversation_id=said.conversation_id,
        place=place,
        speaker=subject.speakers.index(name),
        by_assistant=said.by_assistant,
        text=text,
        said_at=said.said_at,
        asks=text.endswith("?"),
        has_time=names_time(text),
        about_from=min((period.first for period in periods), default=None),
        about_to=max((period.last for period in periods), default=None),
    )


def _last_places(subject_id: UUID, conversations: set[UUID]) -> dict[UUID, tuple[int, datetime]]:
    rows = (
        Utterance.objects.filter(subject_id=subject_id, conversation_id__in=conversations)
        .order_by("conversation_id", "-place")
        .distinct("conversation_id")
    )
    return {
        conversation: (place, when)
        for conversation, place, when in rows.values_list("conversation_id", "place", "said_at")
    }


@transaction.atomic
def unsay(*, message_ids: Sequence[UUID]) -> int:
    """Erase what was said in these messages, with its words and vectors.

    Returns:
        How many were kept.
    """
    ids = list(message_ids)
    by_subject: dict[UUID, list[UUID]] = {}
    rows = Utterance.objects.filter(pk__in=ids).order_by("subject_id")
    for pk, subject_id in rows.values_list("pk", "subject_id"):
        by_subject.setdefault(subject_id, []).append(pk)
    return sum(
        erase_said(locked_subject(subject_id), several)
        for subject_id, several in by_subject.items()
    )


def erase_said(subject: Subject, message_ids: Sequence[UUID]) -> int:
    """Erase what a subject said, inside the caller's transaction; as `unsay`.

    Args:
        subject: Locked.
        message_ids: Which of its utterances; others are passed over.
    """
    rows = list(
        Utterance.objects.filter(subject=subject, pk__in=list(message_ids)).only(
            "pk", "place", "text", "words"
        )
    )
    if not rows:
        return 0
    postings.erase(subject.pk, {row.place: row.text for row in rows})
    Utterance.objects.filter(pk__in=[row.pk for row in rows]).delete()
    subject.said_count -= len(rows)
    subject.said_words -= sum(row.words for row in rows)
    subject.save(update_fields=["said_count", "said_words"])
    return len(rows)
