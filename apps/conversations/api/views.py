"""REST views: parse, call one service or selector, render."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.conversations import hub, selectors, services
from apps.conversations.api.serializers import (
    ConversationSerializer,
    MessageSerializer,
    ModelSerializer,
    NewConversationSerializer,
    NewMessageSerializer,
    TurnAcceptedSerializer,
    TurnSerializer,
)
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.core.scope import Actor, current_actor
from apps.providers import selectors as providers


def _parsed(serializer: Serializer[object]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class _LastUsedFirst(NewestFirst):
    ordering = ("updated_at", "id")


class _ChatView(APIView):
    permission = CHAT_USER

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()


class ConversationsView(_ChatView):
    """The actor's conversations."""

    @extend_schema(
        operation_id="conversations_list",
        parameters=PAGE_PARAMETERS,
        responses=page_of(ConversationSerializer),
    )
    def get(self, request: Request) -> Response:
        """List conversations, last used first."""
        pages = _LastUsedFirst()
        rows = pages.paginate_queryset(
            selectors.list_conversations(actor=self.actor, permission=CHAT_USER), request, self
        )
        views = [selectors.conversation_view(row) for row in rows]
        return pages.get_paginated_response(ConversationSerializer(views, many=True).data)

    @extend_schema(request=NewConversationSerializer, responses={201: ConversationSerializer})
    def post(self, request: Request) -> Response:
        """Start an empty conversation."""
        values = _parsed(NewConversationSerializer(data=request.data))
        view = services.start_conversation(actor=self.actor, permission=CHAT_USER, **values)
        return Response(ConversationSerializer(view).data, status=status.HTTP_201_CREATED)


class ConversationView(_ChatView):
    """One conversation."""

    @extend_schema(operation_id="conversations_retrieve", responses=ConversationSerializer)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """Return one conversation."""
        view = selectors.get_conversation_view(
            actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
        )
        return Response(ConversationSerializer(view).data)

    @extend_schema(request=ConversationSerializer, responses=ConversationSerializer)
    def patch(self, request: Request, conversation_id: UUID) -> Response:
        """Rename a conversation."""
        values = _parsed(ConversationSerializer(data=request.data))
        view = services.rename_conversation(
            actor=self.actor,
            conversation_id=conversation_id,
            permission=CHAT_USER,
            title=values["title"],
        )
        return Response(ConversationSerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation with all its messages."""
        services.delete_conversation(
            actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class MessagesView(_ChatView):
    """The messages of a conversation."""

    @extend_schema(
        operation_id="messages_list",
        parameters=PAGE_PARAMETERS,
        responses=page_of(MessageSerializer),
    )
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """List messages, newest first."""
        pages = NewestFirst()
        rows = pages.paginate_queryset(
            selectors.list_messages(
                actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
            ),
            request,
            self,
        )
        views = selectors.message_views(rows)
        return pages.get_paginated_response(MessageSerializer(views, many=True).data)

    @extend_schema(request=NewMessageSerializer, responses={202: TurnAcceptedSerializer})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Send a message; the answer is written by its turn."""
        values = _parsed(NewMessageSerializer(data=request.data))
        accepted = hub.submit_message(
            actor=self.actor, edge="rest", conversation_id=conversation_id, **values
        )
        return Response(TurnAcceptedSerializer(accepted).data, status=status.HTTP_202_ACCEPTED)


class TurnsView(_ChatView):
    """Turns of new conversations."""

    @extend_schema(request=NewMessageSerializer, responses={202: TurnAcceptedSerializer})
    def post(self, request: Request) -> Response:
        """Send a message that starts a conversation."""
        values = _parsed(NewMessageSerializer(data=request.data))
        accepted = hub.submit_message(actor=self.actor, edge="rest", conversation_id=None, **values)
        return Response(TurnAcceptedSerializer(accepted).data, status=status.HTTP_202_ACCEPTED)


class TurnView(_ChatView):
    """One turn."""

    @extend_schema(responses=TurnSerializer)
    def get(self, request: Request, turn_id: UUID) -> Response:
        """Return a turn with its state."""
        return Response(TurnSerializer(hub.open_turn(actor=self.actor, turn_id=turn_id)).data)


class CancelTurnView(_ChatView):
    """Stopping a turn."""

    @extend_schema(request=None, responses={202: TurnSerializer})
    def post(self, request: Request, turn_id: UUID) -> Response:
        """Stop a turn; what was written so far is kept."""
        view = hub.stop_turn(actor=self.actor, turn_id=turn_id)
        return Response(TurnSerializer(view).data, status=status.HTTP_202_ACCEPTED)


class ModelsView(_ChatView):
    """The models that can be asked."""

    @extend_schema(operation_id="models_list", responses=page_of(ModelSerializer))
    def get(self, request: Request) -> Response:
        """List models, best first."""
        models = ModelSerializer(providers.list_models(), many=True).data
        return Response({"results": models, "next": None})
