"""REST: folders, and one action for many conversations."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import CHAT_USER
from apps.conversations import selectors
from apps.conversations.api.base import ChatView, parsed
from apps.conversations.api.features import (
    BulkResultsSerializer,
    BulkSerializer,
    FolderChangeSerializer,
    FolderSerializer,
    NewFolderSerializer,
)
from apps.conversations.contracts import BulkChange
from apps.conversations.rendering import as_json
from apps.conversations.services import bulk, folders
from apps.core.schema import page_of


class FoldersView(ChatView):
    """The actor's folders."""

    @extend_schema(operation_id="folders_list", responses=page_of(FolderSerializer))
    def get(self, request: Request) -> Response:
        """List folders in their order, all of them."""
        owner_id = selectors.require_owner(self.actor, CHAT_USER)
        views = selectors.folder_views(owner_id=owner_id)
        return Response({"results": [as_json(view) for view in views], "next": None})

    @extend_schema(request=NewFolderSerializer, responses={201: FolderSerializer})
    def post(self, request: Request) -> Response:
        """Make a folder after the others."""
        body = NewFolderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        view = folders.create_folder(
            actor=self.actor, permission=CHAT_USER, name=body.validated_data["name"]
        )
        return Response(as_json(view), status=status.HTTP_201_CREATED)


class FolderView(ChatView):
    """One folder."""

    @extend_schema(request=FolderChangeSerializer, responses=FolderSerializer)
    def patch(self, request: Request, folder_id: UUID) -> Response:
        """Rename it, or put it at another place."""
        body = FolderChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        view = folders.change_folder(
            actor=self.actor, permission=CHAT_USER, folder_id=folder_id, **body.validated_data
        )
        return Response(as_json(view))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, folder_id: UUID) -> Response:
        """Delete it; the conversations in it stay."""
        folders.delete_folder(actor=self.actor, permission=CHAT_USER, folder_id=folder_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BulkView(ChatView):
    """Many conversations at once."""

    @extend_schema(request=BulkSerializer, responses=BulkResultsSerializer)
    def post(self, request: Request) -> Response:
        """Do one action to each; one that is refused does not stop the others."""
        wanted = parsed(BulkSerializer(data=request.data), BulkChange)
        results = bulk.change_conversations(actor=self.actor, permission=CHAT_USER, wanted=wanted)
        return Response({"results": [as_json(result) for result in results]})
