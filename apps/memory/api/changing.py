"""REST: taking back what was changed, and merging by hand."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.memory import selectors, services
from apps.memory.api.serializers import MemorySerializer
from apps.memory.api.views import OwnMemoryView
from apps.memory.contracts import Became, ChangesetKind, ChangesetState
from apps.memory.permissions import READ, WRITE


class ChangeEntrySerializer(serializers.Serializer[object]):
    """What became of one memory: the values that changed, before and after."""

    memory_id = serializers.UUIDField()
    text = serializers.CharField(
        allow_null=True, help_text="What it says now; null where it was forgotten."
    )
    became = serializers.ChoiceField(choices=[each.value for each in Became])
    before = serializers.DictField(help_text="Empty for a memory that was made.")
    after = serializers.DictField()


class ChangeSerializer(serializers.Serializer[object]):
    """Changes of several memories that happened, and are undone, as one."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in ChangesetKind])
    state = serializers.ChoiceField(choices=[state.value for state in ChangesetState])
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)
    entries = ChangeEntrySerializer(many=True)


class ChangesQuerySerializer(serializers.Serializer[object]):
    """Which changes."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in ChangesetKind], required=False)


class MergeSerializer(serializers.Serializer[object]):
    """What is merged into what. The service checks how many."""

    into = serializers.UUIDField(help_text="The memory that stays, in its own words.")
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), help_text="What it says from now on."
    )


class MergedSerializer(serializers.Serializer[object]):
    """What stayed, and the changes that can be undone."""

    memory = MemorySerializer()
    change = ChangeSerializer(source="changeset")


class RestoreView(OwnMemoryView):
    """Taking a memory back into use."""

    permission = WRITE

    @extend_schema(operation_id="memories_restore", request=None, responses=MemorySerializer)
    def post(self, _request: Request, memory_id: UUID) -> Response:
        """Believe again what was superseded, archived or expired; harmless where it is in use."""
        view = services.restore(actor=self.actor, permission=WRITE, memory_id=memory_id)
        return Response(MemorySerializer(view).data)


class MergeView(OwnMemoryView):
    """Merging memories."""

    permission = WRITE

    @extend_schema(
        operation_id="memories_merge",
        request=MergeSerializer,
        responses={200: MergedSerializer, 201: MergedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Have one memory say what others said; 200 where they were merged so already."""
        asked = MergeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        done = services.merge_memories(actor=self.actor, permission=WRITE, **asked.validated_data)
        return Response(
            MergedSerializer(done).data,
            status=status.HTTP_201_CREATED if done.created else status.HTTP_200_OK,
        )


class ChangesView(OwnMemoryView):
    """What changed memories."""

    permission = READ
    ordering = ("created_at", "id")

    @extend_schema(
        operation_id="memories_changes_list",
        parameters=[ChangesQuerySerializer, *PAGE_PARAMETERS],
        responses=page_of(ChangeSerializer),
    )
    def get(self, request: Request) -> Response:
        """List what learning, consolidation, merging and fading changed, newest first."""
        asked = ChangesQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        kind = asked.validated_data.get("kind")
        rows = selectors.list_changesets(
            actor=self.actor, permission=READ, kinds=[ChangesetKind(kind)] if kind else ()
        )
        pages = NewestFirst()
        views = selectors.views_of_changesets(pages.paginate_queryset(rows, request, self))
        return pages.get_paginated_response(ChangeSerializer(views, many=True).data)


class ChangeView(OwnMemoryView):
    """One change of memories."""

    permission = READ

    @extend_schema(operation_id="memories_changes_retrieve", responses=ChangeSerializer)
    def get(self, _request: Request, change_id: UUID) -> Response:
        """Return what each memory was before, what it became, and what it says now."""
        view = selectors.explain_changeset(
            actor=self.actor, permission=READ, changeset_id=change_id
        )
        return Response(ChangeSerializer(view).data)


class UndoView(OwnMemoryView):
    """Undoing a change."""

    permission = WRITE

    @extend_schema(operation_id="memories_changes_undo", request=None, responses=ChangeSerializer)
    def post(self, _request: Request, change_id: UUID) -> Response:
        """Have the memories be what they were; 409 names those that were changed since."""
        services.undo_changeset(actor=self.actor, permission=WRITE, changeset_id=change_id)
        view = selectors.explain_changeset(
            actor=self.actor, permission=READ, changeset_id=change_id
        )
        return Response(ChangeSerializer(view).data)
