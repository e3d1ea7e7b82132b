"""Learning from what people said: read outside any transaction, kept in one per message.

Reading costs time (names, vectors, perhaps a model) and changes nothing. Keeping is short, under
the subject's lock, and all or nothing: a worker that dies in between has learnt the message or has
not. A message is learnt from once: its changeset has the message's id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from uuid import UUID

from django.db import transaction

from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.memory.contracts import EntityKind, Learnt, Said, SecretsPolicy
from apps.memory.domain.extraction import Candidate, Setting, candidates_in
from apps.memory.extracting import model_candidates
from apps.memory.models import Changeset, Subject, Utterance
from apps.memory.secrets import secret_in, without_secrets
from apps.memory.selectors import current_policy
from apps.memory.selectors.relations import known_names
from apps.memory.services.learnt import keep_candidates
from apps.memory.services.said import take_in
from apps.providers import gateway, nlp
from apps.providers.contracts import Embedding, Flow

logger = get_logger(__name__)

_NAMES = {
    "PERSON": EntityKind.PERSON,
    "PLACE": EntityKind.PLACE,
    "ORGANISATION": EntityKind.ORGANISATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read in one message, ready to be kept.

    Attributes:
        said: The message.
        candidates: What can be learnt from it.
        vectors: Of the candidates' texts; empty while no model embeds.
    """

    said: Said
    candidates: tuple[Candidate, ...]
    vectors: Mapping[str, Embedding] = field(default_factory=dict)


def read_said(
    *, subject_id: UUID, said: Sequence[Said], with_model: bool = True
) -> tuple[Reading, ...]:
    """Read what can be learnt from messages; nothing is changed. Blocking.

    What the assistant said teaches nothing, nor does anything where the workspace's policy says so.

    Args:
        subject_id: Whose memory.
        said: Messages in their order.
        with_model: Have a model read them, where one is able; the rules alone cost nothing.
    """
    policy = current_policy()
    if not policy.learns:
        return ()
    readings = []
    for each in said:
        if each.by_assistant or (policy.secrets is SecretsPolicy.REFUSE and secret_in(each.text)):
            continue
        found = _candidates(subject_id, each, with_model)
        if found:
            vectors = _vectors([one.text for one in found])
            readings.append(Reading(said=each, candidates=tuple(found), vectors=vectors))
    return tuple(readings)


@transaction.atomic
def keep_readings(*, subject_id: UUID, readings: Sequence[Reading]) -> Learnt:
    """Keep what was read: remember, prove, supersede; what was learnt from before is skipped."""
    total = Learnt()
    for reading in readings:
        total += keep_candidates(
            subject_id=subject_id,
            said=reading.said,
            candidates=reading.candidates,
            vectors=reading.vectors,
        )
    return total


@transaction.atomic
def absorb(*, subject_id: UUID, said: Sequence[Said], readings: Sequence[Reading]) -> Learnt:
    """Keep messages word for word, and what was read in them, in one transaction.

    Whoever can delete the messages holds their lock meanwhile, so that nothing of a deleted
    message is kept.

    Args:
        subject_id: Whose memory.
        said: Messages of one conversation in their order.
        readings: What `read_said` read in them.
    """
    if current_policy().keeps_said:
        take_in(subject_id=subject_id, said=said)
    return keep_readings(subject_id=subject_id, readings=readings)


def learn(*, subject_id: UUID, message_ids: Sequence[UUID]) -> Learnt:
    """Learn from messages that were taken in before, oldest first, each in a transaction.

    Harmless when it runs twice. Not inside a transaction: reading takes time, and asks models.

    Args:
        subject_id: Whose memory.
        message_ids: What is not this subject's, or was erased meanwhile, is left out.
    """
    total = Learnt()
    speakers = Subject.objects.filter(pk=subject_id).values_list("speakers", flat=True).first()
    done = set(Changeset.objects.filter(pk__in=list(message_ids)).values_list("pk", flat=True))
    rows = (
        Utterance.objects.filter(
            subject_id=subject_id, pk__in=set(message_ids) - done, by_assistant=False
        )
        .order_by("said_at", "place")
        .values("pk", "conversation_id", "speaker", "text", "said_at")
    )
    for row in rows:
        said = Said(
            message_id=row["pk"],
            conversation_id=row["conversation_id"],
            speaker=(speakers or [""])[row["speaker"]],
            by_assistant=False,
            text=row["text"],
            said_at=row["said_at"],
        )
        readings = read_said(subject_id=subject_id, said=[said])
        if readings:
            with transaction.atomic():
                if Utterance.objects.filter(pk=said.message_id).select_for_update().exists():
                    total += keep_readings(subject_id=subject_id, readings=readings)
    return total


def _candidates(subject_id: UUID, said: Said, with_model: bool) -> list[Candidate]:
    text = without_secrets(said.text)
    said_on = said.said_at.astimezone(UTC).date()
    if with_model and not said.speaker:
        read = model_candidates(subject_id=subject_id, text=text, said_on=said_on)
        if read is not None:
            return read
    return _by_rules(subject_id, said, text, said_on)


def _by_rules(subject_id: UUID, said: Said, text: str, said_on: date) -> list[Candidate]:
    known = known_names(subject_id, said.speaker)
    setting = Setting(said_on=said_on, speaker=said.speaker, known=known, names={})
    if not candidates_in(text, setting):
        return []  # names are read only where there is something to name: that takes longer
    names = {
        text[found.start : found.end]: kind
        for found in nlp.find_personal(text)
        if (kind := _NAMES.get(found.kind.value)) is not None
    }
    return candidates_in(text, replace(setting, names=names))


def _vectors(texts: Sequence[str]) -> dict[str, Embedding]:
    try:
        found = run_async(gateway.embed(flow=Flow.EMBED_TEXT, texts=list(texts)))
    except KarenError as error:  # near duplicates go unnoticed, and the schedule embeds later
        logger.warning("learning.not_embedded", texts=len(texts), reason=error.code)
        return {}
    return dict(zip(texts, found, strict=True))
