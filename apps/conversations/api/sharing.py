"""REST: forks, shares, participants, and the people who can be chosen."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import CHAT_USER
from apps.conversations.api.base import ChatView
from apps.conversations.api.features import (
    ForkSerializer,
    NewShareSerializer,
    ParticipantSerializer,
    PersonSerializer,
    ShareSerializer,
)
from apps.conversations.api.serializers import ConversationSerializer
from apps.conversations.contracts import Audience
from apps.conversations.rendering import as_json
from apps.conversations.services import forking, participants, sharing
from apps.core.schema import page_of


class ForkView(ChatView):
    """A conversation of its own from a branch."""

    @extend_schema(request=ForkSerializer, responses={201: ConversationSerializer})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Copy the branch up to a message into a new conversation."""
        body = ForkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        view = forking.fork_conversation(
            actor=self.actor,
            permission=CHAT_USER,
            conversation_id=conversation_id,
            message_id=body.validated_data["message_id"],
            client_key=body.validated_data.get("client_message_id", ""),
        )
        return Response(as_json(view), status=status.HTTP_201_CREATED)


class SharesView(ChatView):
    """The snapshots of a conversation that were given away."""

    @extend_schema(operation_id="shares_list", responses=page_of(ShareSerializer))
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """List them, newest first, without their links."""
        views = sharing.list_shares(
            actor=self.actor, permission=CHAT_USER, conversation_id=conversation_id
        )
        return Response({"results": [as_json(view) for view in views], "next": None})

    @extend_schema(request=NewShareSerializer, responses={201: ShareSerializer})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Keep a snapshot and return its link, this one time."""
        body = NewShareSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        view = sharing.share_conversation(
            actor=self.actor,
            permission=CHAT_USER,
            conversation_id=conversation_id,
            audience=Audience(body.validated_data["audience"]),
            message_id=body.validated_data.get("message_id"),
        )
        return Response(as_json(view), status=status.HTTP_201_CREATED)


class ShareView(ChatView):
    """One share."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, share_id: UUID) -> Response:
        """Take it back: its link is dead at once."""
        sharing.revoke_share(actor=self.actor, permission=CHAT_USER, share_id=share_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ParticipantsView(ChatView):
    """Who is in a conversation."""

    @extend_schema(operation_id="participants_list", responses=page_of(ParticipantSerializer))
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """List the owner and everybody who takes part."""
        views = participants.list_participants(
            actor=self.actor, permission=CHAT_USER, conversation_id=conversation_id
        )
        return Response({"results": [as_json(view) for view in views], "next": None})


class ParticipantView(ChatView):
    """One person in a conversation."""

    @extend_schema(request=None, responses=ParticipantSerializer)
    def put(self, request: Request, conversation_id: UUID, user_id: UUID) -> Response:
        """Let a member read the conversation and write in it."""
        view = participants.add_participant(
            actor=self.actor,
            permission=CHAT_USER,
            conversation_id=conversation_id,
            user_id=user_id,
        )
        return Response(as_json(view))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, conversation_id: UUID, user_id: UUID) -> Response:
        """Take the person out; one's own id leaves the conversation."""
        participants.remove_participant(
            actor=self.actor,
            permission=CHAT_USER,
            conversation_id=conversation_id,
            user_id=user_id,
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class MembersView(ChatView):
    """Who can be chosen."""

    @extend_schema(operation_id="members_list", responses=page_of(PersonSerializer))
    def get(self, request: Request) -> Response:
        """List the members who may chat, by what they are called."""
        views = participants.list_people(actor=self.actor, permission=CHAT_USER)
        return Response({"results": [as_json(view) for view in views], "next": None})
