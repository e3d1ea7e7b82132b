"""REST: thumbs and comments on answers, and pins."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import CHAT_USER
from apps.conversations.api.base import ChatView
from apps.conversations.api.serializers import FeedbackSerializer, MessageSerializer
from apps.conversations.rendering import as_json
from apps.conversations.services import feedback


class FeedbackView(ChatView):
    """What the actor thinks of an answer."""

    @extend_schema(request=FeedbackSerializer, responses=MessageSerializer)
    def put(self, request: Request, message_id: UUID) -> Response:
        """Keep a thumb and a comment; a second one replaces the first."""
        body = FeedbackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        view = feedback.rate_answer(
            actor=self.actor,
            permission=CHAT_USER,
            message_id=message_id,
            rating=int(body.validated_data["rating"]),
            comment=body.validated_data["comment"],
        )
        return Response(as_json(view))

    @extend_schema(responses=MessageSerializer)
    def delete(self, request: Request, message_id: UUID) -> Response:
        """Take it back."""
        view = feedback.unrate_answer(actor=self.actor, permission=CHAT_USER, message_id=message_id)
        return Response(as_json(view))


class PinView(ChatView):
    """Whether the assistant always sees a message."""

    @extend_schema(request=None, responses=MessageSerializer)
    def put(self, request: Request, message_id: UUID) -> Response:
        """Pin it."""
        view = feedback.pin_message(actor=self.actor, permission=CHAT_USER, message_id=message_id)
        return Response(as_json(view))

    @extend_schema(responses=MessageSerializer)
    def delete(self, request: Request, message_id: UUID) -> Response:
        """Unpin it."""
        view = feedback.unpin_message(actor=self.actor, permission=CHAT_USER, message_id=message_id)
        return Response(as_json(view))
