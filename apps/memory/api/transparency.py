"""REST: search, reasons, history, names, files, forgetting a topic, and looking with a reason."""

from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import scope
from apps.core.clock import now
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.memory import export, selectors, services
from apps.memory.api.filters import MemoryQuerySerializer, SearchSerializer
from apps.memory.api.serializers import (
    EntitiesSerializer,
    ForgetSerializer,
    ForgottenSerializer,
    FoundSerializer,
    GraphSerializer,
    HistorySerializer,
    MemorySerializer,
    ReasonsSerializer,
)
from apps.memory.api.views import OwnMemoryView
from apps.memory.contracts import EntityKind, RecalledMemory
from apps.memory.permissions import AUDIT, READ, WRITE
from apps.memory.recall import recall

_SEARCH_S = 2.0  # nobody waits for an answer of a model behind it


class MemorySearchView(OwnMemoryView):
    """What fits a question."""

    permission = READ

    @extend_schema(
        operation_id="memories_search", request=SearchSerializer, responses=FoundSerializer
    )
    def post(self, request: Request) -> Response:
        """Find what fits a query best, each with its score, its reasons and its source."""
        asked = SearchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = recall(
            query=asked.validated_data["query"],
            subject_id=selectors.require_subject(self.actor, READ),
            k=asked.validated_data["limit"],
            within_s=_SEARCH_S,
            filters=asked.filters(),
        )
        return Response(FoundSerializer({"results": [_with_reason(each) for each in found]}).data)


def _with_reason(found: RecalledMemory) -> dict[str, object]:
    return {
        "kind": found.kind,
        "id": found.id,
        "text": found.text,
        "score": found.score,
        "why": found.why,
        "reason": selectors.reason_in_words(found.why),
        "signals": found.signals,
        "speaker": found.speaker,
        "said_at": found.said_at,
        "conversation_id": found.conversation_id,
        "source_message_ids": found.source_message_ids,
    }


class MemoryHistoryView(OwnMemoryView):
    """How a memory changed."""

    permission = READ

    @extend_schema(responses=HistorySerializer)
    def get(self, _request: Request, memory_id: UUID) -> Response:
        """Return its versions, newest first, what it replaced and what replaced it."""
        view = selectors.memory_history(actor=self.actor, memory_id=memory_id, permission=READ)
        return Response(HistorySerializer(view).data)


class MemoryReasonsView(OwnMemoryView):
    """Why a memory is believed."""

    permission = READ

    @extend_schema(responses=ReasonsSerializer)
    def get(self, _request: Request, memory_id: UUID) -> Response:
        """Return the words it rests on, where they stand, and what it replaced."""
        view = selectors.explain_memory(actor=self.actor, memory_id=memory_id, permission=READ)
        return Response(ReasonsSerializer(view).data)


class ForgetView(OwnMemoryView):
    """Forgetting a topic."""

    permission = WRITE

    @extend_schema(
        operation_id="memories_forget", request=ForgetSerializer, responses=ForgottenSerializer
    )
    def post(self, request: Request) -> Response:
        """Erase all about a topic or a name, what was said about it included; say how much."""
        asked = ForgetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        gone = services.forget_about(
            actor=self.actor,
            permission=WRITE,
            topic=given["topic"] or given["entity"],
            dry_run=given["dry_run"],
        )
        return Response(ForgottenSerializer(gone).data)


class ExportQuerySerializer(serializers.Serializer[object]):
    """How the file is written, and whether messages are in it."""

    format = serializers.ChoiceField(choices=["jsonl", "json"], default="jsonl")
    said = serializers.BooleanField(default=False, help_text="What was said word for word as well.")


class MemoryExportView(OwnMemoryView):
    """All that is known of the one who asks, as a file."""

    permission = READ

    @extend_schema(
        operation_id="memories_export",
        parameters=[ExportQuerySerializer],
        responses={(200, "application/jsonl"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Download everything, superseded and archived memories, evidence and history included."""
        asked = ExportQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        as_lines = asked.validated_data["format"] == "jsonl"
        write = export.export_lines if as_lines else export.export_json
        content = write(
            subject_id=selectors.require_subject(self.actor, READ),
            tenant=scope.require(),
            with_said=asked.validated_data["said"],
        )
        kind = "application/jsonl" if as_lines else "application/json"
        answer = StreamingHttpResponse(content, content_type=kind)
        name = f"memories-{now():%Y-%m-%d}.{'jsonl' if as_lines else 'json'}"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["Cache-Control"] = "private, no-store"
        return answer


class EntityQuerySerializer(serializers.Serializer[object]):
    """Which names."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in EntityKind], required=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=100)


class EntitiesView(OwnMemoryView):
    """The names in the memories."""

    permission = READ

    @extend_schema(
        operation_id="memories_entities",
        parameters=[EntityQuerySerializer],
        responses=EntitiesSerializer,
    )
    def get(self, request: Request) -> Response:
        """List people, places, organisations and things, those mentioned most first."""
        asked = EntityQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        kind = asked.validated_data.get("kind")
        found = selectors.list_entities(
            actor=self.actor,
            permission=READ,
            kind=EntityKind(kind) if kind else None,
            limit=asked.validated_data["limit"],
        )
        return Response(EntitiesSerializer({"results": found}).data)


class GraphQuerySerializer(serializers.Serializer[object]):
    """Which part of the graph."""

    entity = serializers.CharField(required=False, max_length=120, default="")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=40)


class GraphView(OwnMemoryView):
    """How the names go together."""

    permission = READ

    @extend_schema(
        operation_id="memories_graph",
        parameters=[GraphQuerySerializer],
        responses=GraphSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the names mentioned most, and in how many memories two stand together."""
        asked = GraphQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        graph = selectors.entity_graph(
            actor=self.actor,
            permission=READ,
            name=asked.validated_data["entity"],
            limit=asked.validated_data["limit"],
        )
        return Response(GraphSerializer(graph).data)


class PersonMemoriesView(OwnMemoryView):
    """What is remembered about somebody else."""

    permission = AUDIT

    @extend_schema(
        operation_id="people_memories_list",
        parameters=[
            OpenApiParameter(
                "reason",
                str,
                required=True,
                description="Why you look; it is written into the audit record with your name.",
            ),
            MemoryQuerySerializer,
            *PAGE_PARAMETERS,
        ],
        responses=page_of(MemorySerializer),
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        """List a member's memories; each look is written down."""
        query = MemoryQuerySerializer(data=request.query_params).query()
        rows = services.look_at_memories(
            actor=self.actor,
            permission=AUDIT,
            user_id=user_id,
            reason=request.query_params.get("reason", ""),
            query=query,
        )
        pages = NewestFirst()
        views = selectors.views_of(pages.paginate_queryset(rows, request, self), query.as_of)
        return pages.get_paginated_response(MemorySerializer(views, many=True).data)
