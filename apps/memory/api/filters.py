"""Which memories a request asks for."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework import serializers
from typing_extensions import override

from apps.memory.contracts import (
    MemoryKind,
    MemoryQuery,
    MemoryStatus,
    Namespace,
    RecallFilters,
)

_QUERY_MAX = 500
E = TypeVar("E", bound=StrEnum)


class MomentField(serializers.Field):  # type: ignore[type-arg]  # not subscriptable at run time
    """A moment in ISO 8601, or a day by UTC: its beginning, or its end where `at_end`."""

    def __init__(self, *, at_end: bool = False, **options: Any) -> None:
        self.at_end = at_end
        super().__init__(**options)

    @override
    def to_internal_value(self, data: object) -> datetime:
        """Read it.

        Raises:
            ValidationError: It is neither.
        """
        text = str(data).strip()
        try:
            day, moment = parse_date(text), None if len(text) <= 10 else parse_datetime(text)
        except ValueError:
            day = moment = None
        if moment is not None:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if day is None:
            raise serializers.ValidationError("Give a day as 2027-03-31, or a moment in ISO 8601.")
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return start + timedelta(days=1, microseconds=-1) if self.at_end else start

    @override
    def to_representation(self, value: datetime) -> str:
        """Write it."""
        return value.isoformat()


def _chosen(values: list[str]) -> frozenset[str]:
    return frozenset(part for value in values for part in value.split(",") if part)


class MemoryQuerySerializer(serializers.Serializer[object]):
    """Filters of the list; several kinds, namespaces or states are separated by commas."""

    kind = serializers.CharField(required=False)
    namespace = serializers.CharField(required=False)
    status = serializers.CharField(required=False)
    pinned = serializers.BooleanField(required=False, allow_null=True, default=None)
    q = serializers.CharField(
        required=False, max_length=_QUERY_MAX, help_text="Words that a memory has."
    )
    entity = serializers.CharField(
        required=False, max_length=120, help_text="A person, place or thing that it names."
    )
    since = MomentField(required=False, help_text="Learnt from then on: a day, or a moment.")
    until = MomentField(required=False, at_end=True, help_text="Learnt until then.")
    superseded = serializers.BooleanField(
        required=False, default=False, help_text="Those as well that a newer one replaced."
    )
    as_of = MomentField(
        required=False,
        at_end=True,
        help_text="What was believed then, as it was then: at the end of a day, or at a moment.",
    )

    def query(self) -> MemoryQuery:
        """Return what is asked for.

        Raises:
            ValidationError: A value does not fit.
        """
        self.is_valid(raise_exception=True)
        given = self.validated_data
        return MemoryQuery(
            kinds=_known(MemoryKind, "kind", given),
            namespaces=_known(Namespace, "namespace", given),
            statuses=_known(MemoryStatus, "status", given),
            pinned=given.get("pinned"),
            text=given.get("q", ""),
            entity=given.get("entity", ""),
            since=given.get("since"),
            until=given.get("until"),
            superseded=given["superseded"],
            as_of=given.get("as_of"),
        )


def _known(kind: type[E], name: str, given: dict[str, Any]) -> frozenset[E]:
    try:
        return frozenset(kind(each) for each in _chosen([given.get(name, "")]))
    except ValueError:
        choices = ", ".join(each.value for each in kind)
        raise serializers.ValidationError({name: f"It is one of: {choices}."}) from None


class SearchSerializer(serializers.Serializer[object]):
    """What to search for, and in what."""

    query = serializers.CharField(max_length=2_000)
    limit = serializers.IntegerField(min_value=1, max_value=50, default=10)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=[kind.value for kind in MemoryKind]), required=False
    )
    namespaces = serializers.ListField(
        child=serializers.ChoiceField(choices=[space.value for space in Namespace]), required=False
    )
    conversation_id = serializers.UUIDField(required=False)
    since = MomentField(required=False, help_text="Said or true from then on.")
    until = MomentField(required=False, at_end=True, help_text="Said or true until then.")
    with_said = serializers.BooleanField(
        default=True, help_text="Messages word for word as well, not memories alone."
    )

    def filters(self) -> RecallFilters:
        """Return what may be found; `is_valid` was called."""
        given = self.validated_data
        return RecallFilters(
            kinds=frozenset(MemoryKind(kind) for kind in given.get("kinds", ())),
            namespaces=frozenset(Namespace(space) for space in given.get("namespaces", ())),
            conversation_id=given.get("conversation_id"),
            since=given.get("since"),
            until=given.get("until"),
            with_said=given["with_said"],
        )
