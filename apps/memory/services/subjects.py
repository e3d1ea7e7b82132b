"""Subjects: whose memory it is, and where in it something new stands."""

from uuid import UUID

from apps.memory.contracts import SubjectKind
from apps.memory.models import Subject


def locked_subject(subject_id: UUID, kind: SubjectKind = SubjectKind.PERSON) -> Subject:
    """Return the subject, made where it is new, locked until the transaction ends."""
    locked = Subject.objects.select_for_update(no_key=True).filter(pk=subject_id)
    found = locked.first()
    if found is not None:
        return found
    Subject.objects.bulk_create([Subject(pk=subject_id, kind=kind)], ignore_conflicts=True)
    return locked.get()
