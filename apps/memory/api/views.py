"""REST views: parse, call one service or selector, render."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.core.errors import InvalidInput
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.core.scope import Actor, current_actor
from apps.memory import selectors, services
from apps.memory.api.filters import MemoryQuerySerializer
from apps.memory.api.serializers import (
    ForgottenSerializer,
    MemoryChangeSerializer,
    MemorySerializer,
    NewMemorySerializer,
)
from apps.memory.contracts import MemoryChange, MemoryKind, MemoryStatus
from apps.memory.permissions import READ, WRITE

CONFIRMATION = "forget everything"


def _parsed(serializer: Serializer[object]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = dict(serializer.validated_data)
    if "kind" in values:
        values["kind"] = MemoryKind(values["kind"])
    if "status" in values:
        values["status"] = MemoryStatus(values["status"])
    return values


class OwnMemoryView(APIView):
    """What is about the actor."""

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()


class MemoriesView(OwnMemoryView):
    """What is remembered about the actor."""

    permission = {"GET": READ, "POST": WRITE, "DELETE": WRITE}  # noqa: RUF012  # read by the permission class

    @extend_schema(
        operation_id="memories_list",
        parameters=[MemoryQuerySerializer, *PAGE_PARAMETERS],
        responses=page_of(MemorySerializer),
    )
    def get(self, request: Request) -> Response:
        """List memories, newest first; with `as_of`, what was believed then, as it was then."""
        query = MemoryQuerySerializer(data=request.query_params).query()
        pages = NewestFirst()
        rows = pages.paginate_queryset(
            selectors.choose_memories(actor=self.actor, permission=READ, query=query), request, self
        )
        views = selectors.views_of(rows, query.as_of)
        return pages.get_paginated_response(MemorySerializer(views, many=True).data)

    @extend_schema(
        request=NewMemorySerializer, responses={200: MemorySerializer, 201: MemorySerializer}
    )
    def post(self, request: Request) -> Response:
        """Remember something; 200 where it is remembered already."""
        done = services.remember(
            actor=self.actor, permission=WRITE, **_parsed(NewMemorySerializer(data=request.data))
        )
        return Response(
            MemorySerializer(done.memory).data,
            status=status.HTTP_201_CREATED if done.created else status.HTTP_200_OK,
        )

    @extend_schema(
        operation_id="memories_forget_everything",
        parameters=[
            OpenApiParameter(
                "confirm",
                {"type": "string", "enum": [CONFIRMATION]},
                required=True,
                description="That you mean it; in the body instead, if you like.",
            )
        ],
        responses=ForgottenSerializer,
    )
    def delete(self, request: Request) -> Response:
        """Forget everything about the one who asks; conversations stay."""
        body = request.data if isinstance(request.data, dict) else {}
        if CONFIRMATION not in {request.query_params.get("confirm"), body.get("confirm")}:
            raise InvalidInput(fields={"confirm": [f"Say `{CONFIRMATION}`."]})
        gone = services.forget_all(actor=self.actor, permission=WRITE)
        return Response(ForgottenSerializer(gone).data)


class MemoryView(OwnMemoryView):
    """One memory."""

    permission = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}  # noqa: RUF012  # as above

    @extend_schema(responses=MemorySerializer)
    def get(self, _request: Request, memory_id: UUID) -> Response:
        """Return one memory, whatever its state."""
        view = selectors.get_memory(actor=self.actor, memory_id=memory_id, permission=READ)
        return Response(MemorySerializer(view).data)

    @extend_schema(request=MemoryChangeSerializer, responses=MemorySerializer)
    def patch(self, request: Request, memory_id: UUID) -> Response:
        """Change a memory; what is not given stays."""
        change = MemoryChange(**_parsed(MemoryChangeSerializer(data=request.data)))
        view = services.update_memory(
            actor=self.actor, permission=WRITE, memory_id=memory_id, change=change
        )
        return Response(MemorySerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, memory_id: UUID) -> Response:
        """Erase a memory."""
        services.forget(actor=self.actor, permission=WRITE, memory_id=memory_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
