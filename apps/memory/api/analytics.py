"""REST: how a workspace's memory does."""

from typing import Any, TypeAlias

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from apps.accounts.permissions import TENANT_ADMIN
from apps.core.scope import current_actor
from apps.memory import analytics

_Fields: TypeAlias = dict[str, serializers.Field[Any, Any, Any, Any]]


class AnalyticsWindowSerializer(serializers.Serializer[object]):
    """Which days, by UTC, both included; the last 30 when left out."""

    to = serializers.DateField(required=False)

    @override
    def get_fields(self) -> _Fields:
        """Return the fields; `from` is no name that Python allows for one."""
        return {"from": serializers.DateField(required=False), **super().get_fields()}


class MemoryDaySerializer(serializers.Serializer[object]):
    """One day of a workspace's memory."""

    day = serializers.DateField()
    created = serializers.IntegerField()
    superseded = serializers.IntegerField()
    archived = serializers.IntegerField()
    expired = serializers.IntegerField()
    forgotten = serializers.IntegerField()
    used = serializers.IntegerField()
    live = serializers.DictField(
        child=serializers.IntegerField(), help_text="What held at the end of the day, by kind."
    )
    live_total = serializers.IntegerField()
    people = serializers.IntegerField()
    recalls = serializers.IntegerField()
    recall_p50_ms = serializers.FloatField(allow_null=True)
    recall_p95_ms = serializers.FloatField(allow_null=True)
    sampled = serializers.IntegerField()
    found = serializers.IntegerField()


class TopicDaySerializer(serializers.Serializer[object]):
    """How many new memories named a topic on a day."""

    day = serializers.DateField()
    mentions = serializers.IntegerField()


class MemoryTopicSerializer(serializers.Serializer[object]):
    """A name that memories of several people hold."""

    name = serializers.CharField()
    people = serializers.IntegerField()
    mentions = serializers.IntegerField()
    days = TopicDaySerializer(many=True)


class MemoryAnalyticsSerializer(serializers.Serializer[object]):
    """A window of days."""

    first = serializers.DateField()
    last = serializers.DateField()
    days = MemoryDaySerializer(many=True)
    topics = MemoryTopicSerializer(many=True)


class MemoryAnalyticsView(APIView):
    """How the workspace's memory grows, is used, and answers."""

    permission = TENANT_ADMIN

    @extend_schema(parameters=[AnalyticsWindowSerializer], responses=MemoryAnalyticsSerializer)
    def get(self, request: Request) -> Response:
        """Return counts by day, as of the last hourly export; texts are in none of them."""
        asked = AnalyticsWindowSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        window = analytics.read_analytics(
            actor=current_actor(),
            permission=TENANT_ADMIN,
            first=asked.validated_data.get("from"),
            last=asked.validated_data.get("to"),
        )
        topics = [
            {
                "name": topic.name,
                "people": topic.people,
                "mentions": topic.mentions,
                "days": [
                    {"day": day, "mentions": count} for day, count in sorted(topic.by_day.items())
                ],
            }
            for topic in window.topics
        ]
        body = {"first": window.first, "last": window.last, "days": window.days, "topics": topics}
        return Response(MemoryAnalyticsSerializer(body).data)
