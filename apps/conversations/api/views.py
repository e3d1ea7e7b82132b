"""REST views: parse, call one service or selector, render."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import CHAT_USER
from apps.conversations import hub, selectors, services
from apps.conversations.api.base import ChatView, ask, parsed
from apps.conversations.api.features import ConversationFilterSerializer
from apps.conversations.api.serializers import (
    AskAgainSerializer,
    BranchSerializer,
    ContinueSerializer,
    ConversationOptionsSerializer,
    ConversationSerializer,
    MessageSerializer,
    ModelSerializer,
    NewMessageSerializer,
    TurnAcceptedSerializer,
    TurnSerializer,
)
from apps.conversations.contracts import (
    AnswerAgain,
    ContinueAnswer,
    ConversationOptions,
    NewMessage,
)
from apps.conversations.listing import ConversationFilters, list_filtered
from apps.conversations.rendering import as_json
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.providers import selectors as providers


class _LastUsedFirst(NewestFirst):
    ordering = ("updated_at", "id")


class ConversationsView(ChatView):
    """The actor's conversations."""

    @extend_schema(
        operation_id="conversations_list",
        parameters=[*PAGE_PARAMETERS, ConversationFilterSerializer],
        responses=page_of(ConversationSerializer),
    )
    def get(self, request: Request) -> Response:
        """List conversations, last used first."""
        filters = parsed(
            ConversationFilterSerializer(data=request.query_params), ConversationFilters
        )
        pages = _LastUsedFirst()
        rows = pages.paginate_queryset(
            list_filtered(actor=self.actor, permission=CHAT_USER, filters=filters), request, self
        )
        views = [selectors.conversation_view(row) for row in rows]
        return pages.get_paginated_response([as_json(view) for view in views])

    @extend_schema(request=ConversationOptionsSerializer, responses={201: ConversationSerializer})
    def post(self, request: Request) -> Response:
        """Start an empty conversation."""
        options = parsed(ConversationOptionsSerializer(data=request.data), ConversationOptions)
        view = services.start_conversation(actor=self.actor, permission=CHAT_USER, options=options)
        return Response(as_json(view), status=status.HTTP_201_CREATED)


class ConversationView(ChatView):
    """One conversation."""

    @extend_schema(operation_id="conversations_retrieve", responses=ConversationSerializer)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """Return one conversation."""
        view = selectors.get_conversation_view(
            actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
        )
        return Response(as_json(view))

    @extend_schema(request=ConversationOptionsSerializer, responses=ConversationSerializer)
    def patch(self, request: Request, conversation_id: UUID) -> Response:
        """Change a conversation's options; those not given stay."""
        options = parsed(ConversationOptionsSerializer(data=request.data), ConversationOptions)
        view = services.configure_conversation(
            actor=self.actor,
            conversation_id=conversation_id,
            permission=CHAT_USER,
            options=options,
        )
        return Response(as_json(view))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation with all its messages."""
        services.delete_conversation(
            actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class MessagesView(ChatView):
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
        return pages.get_paginated_response([as_json(view) for view in views])

    @extend_schema(request=NewMessageSerializer, responses={202: TurnAcceptedSerializer})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Send a message; the answer is written by its turn."""
        return ask(
            self.actor,
            parsed(
                NewMessageSerializer(data=request.data),
                NewMessage,
                conversation_id=conversation_id,
            ),
        )


class BranchView(ChatView):
    """The branch of a conversation that is shown."""

    @extend_schema(request=BranchSerializer, responses=ConversationSerializer)
    def put(self, request: Request, conversation_id: UUID) -> Response:
        """Show the newest branch through a message."""
        serializer = BranchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        view = services.show_branch(
            actor=self.actor,
            conversation_id=conversation_id,
            permission=CHAT_USER,
            message_id=serializer.validated_data["message_id"],
        )
        return Response(as_json(view))


class RegenerateView(ChatView):
    """Another answer to a message."""

    @extend_schema(request=AskAgainSerializer, responses={202: TurnAcceptedSerializer})
    def post(self, request: Request, message_id: UUID) -> Response:
        """Ask for another answer; the present one stays on its branch."""
        wanted = parsed(AskAgainSerializer(data=request.data), AnswerAgain, message_id=message_id)
        return ask(self.actor, wanted)


class ContinueView(ChatView):
    """The rest of an answer."""

    @extend_schema(request=ContinueSerializer, responses={202: TurnAcceptedSerializer})
    def post(self, request: Request, message_id: UUID) -> Response:
        """Go on with an answer that was stopped, cut, or ended at its length limit."""
        wanted = parsed(
            ContinueSerializer(data=request.data), ContinueAnswer, message_id=message_id
        )
        return ask(self.actor, wanted)


class TurnsView(ChatView):
    """Turns of new conversations."""

    @extend_schema(request=NewMessageSerializer, responses={202: TurnAcceptedSerializer})
    def post(self, request: Request) -> Response:
        """Send a message that starts a conversation."""
        return ask(self.actor, parsed(NewMessageSerializer(data=request.data), NewMessage))


class TurnView(ChatView):
    """One turn."""

    @extend_schema(responses=TurnSerializer)
    def get(self, request: Request, turn_id: UUID) -> Response:
        """Return a turn with its state."""
        return Response(as_json(hub.open_turn(actor=self.actor, turn_id=turn_id)))


class CancelTurnView(ChatView):
    """Stopping a turn."""

    @extend_schema(request=None, responses={202: TurnSerializer})
    def post(self, request: Request, turn_id: UUID) -> Response:
        """Stop a turn; what was written so far is kept."""
        view = hub.stop_turn(actor=self.actor, turn_id=turn_id)
        return Response(as_json(view), status=status.HTTP_202_ACCEPTED)


class ModelsView(ChatView):
    """The models that can be asked."""

    @extend_schema(operation_id="models_list", responses=page_of(ModelSerializer))
    def get(self, request: Request) -> Response:
        """List models, best first."""
        models = ModelSerializer(providers.list_models(), many=True).data
        return Response({"results": models, "next": None})
