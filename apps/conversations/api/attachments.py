"""REST for attachments: upload, look at, download, delete."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotModified,
    StreamingHttpResponse,
)
from django.http.multipartparser import MultiPartParserError
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from apps.accounts.permissions import CHAT_USER
from apps.conversations.api.serializers import ErrorBodySerializer
from apps.conversations.attachments import selectors, services
from apps.conversations.attachments.errors import AttachmentMissing
from apps.conversations.attachments.incoming import IncomingFile, IncomingFileHandler
from apps.conversations.attachments.selectors import StoredFile
from apps.conversations.domain.attachment_states import AttachmentKind, AttachmentState
from apps.core.errors import InvalidInput
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.core.scope import Actor, current_actor

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


class NoteSerializer(serializers.Serializer[object]):
    """A remark about a file that is no error."""

    code = serializers.CharField()
    message = serializers.CharField()


class AttachmentSerializer(serializers.Serializer[object]):
    """An attachment."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    media_type = serializers.CharField()
    kind = serializers.ChoiceField(choices=[k.value for k in AttachmentKind])
    size = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[s.value for s in AttachmentState])
    problem = ErrorBodySerializer(allow_null=True)
    notes = NoteSerializer(many=True)
    meta = serializers.DictField()
    summary = serializers.CharField()
    text_characters = serializers.IntegerField()
    has_thumbnail = serializers.BooleanField()
    conversation_id = serializers.UUIDField(allow_null=True)
    message_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()


class AttachmentKeySerializer(serializers.Serializer[object]):
    """The fields of an upload beside the file."""

    client_key = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")


class NewAttachmentSerializer(AttachmentKeySerializer):
    """The form of an upload."""

    file = serializers.FileField(allow_empty_file=True)


class AttachmentFilterSerializer(serializers.Serializer[object]):
    """Which attachments a list shows."""

    conversation_id = serializers.UUIDField(required=False)
    unsent = serializers.BooleanField(required=False, default=False)


class _NewestUploadFirst(NewestFirst):
    ordering = ("created_at", "id")


class _AttachmentsBase(APIView):
    permission = CHAT_USER

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()


class AttachmentsView(_AttachmentsBase):
    """The actor's attachments."""

    parser_classes = (MultiPartParser,)

    @override
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Have the file streamed to the store's disk, before anybody reads the body."""
        handler = IncomingFileHandler(request)
        request.upload_handlers = [handler]
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if handler.incoming is not None:  # Django forgets files that did not arrive whole
                handler.incoming.close()

    @override
    def handle_exception(self, exc: Exception) -> Response:
        """Answer a form that does not parse like other bodies that do not."""
        if isinstance(exc, MultiPartParserError):
            exc = InvalidInput("The body is not valid multipart/form-data.")
        return super().handle_exception(exc)

    @extend_schema(
        operation_id="attachments_list",
        parameters=[*PAGE_PARAMETERS, AttachmentFilterSerializer],
        responses=page_of(AttachmentSerializer),
    )
    def get(self, request: Request) -> Response:
        """List attachments, newest first."""
        wanted = AttachmentFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        pages = _NewestUploadFirst()
        rows = pages.paginate_queryset(
            selectors.list_attachments(
                actor=self.actor, permission=CHAT_USER, **wanted.validated_data
            ),
            request,
            self,
        )
        views = [selectors.attachment_view(row) for row in rows]
        return pages.get_paginated_response(AttachmentSerializer(views, many=True).data)

    @extend_schema(
        request={"multipart/form-data": NewAttachmentSerializer},
        responses={200: AttachmentSerializer, 201: AttachmentSerializer},
    )
    def post(self, request: Request) -> Response:
        """Upload a file; it is checked and read afterwards."""
        form = AttachmentKeySerializer(data={"client_key": request.POST.get("client_key", "")})
        form.is_valid(raise_exception=True)
        files = request.FILES.getlist("file")
        if len(files) != 1 or not isinstance(files[0], IncomingFile):
            raise AttachmentMissing
        uploaded = services.upload(
            actor=self.actor,
            permission=CHAT_USER,
            incoming=files[0],
            name=files[0].name or "",
            client_key=form.validated_data["client_key"],
        )
        code = status.HTTP_201_CREATED if uploaded.created else status.HTTP_200_OK
        return Response(AttachmentSerializer(uploaded.view).data, status=code)


class AttachmentView(_AttachmentsBase):
    """One attachment."""

    @extend_schema(operation_id="attachments_retrieve", responses=AttachmentSerializer)
    def get(self, request: Request, attachment_id: UUID) -> Response:
        """Return an attachment with its state."""
        view = selectors.get_attachment_view(
            actor=self.actor, attachment_id=attachment_id, permission=CHAT_USER
        )
        return Response(AttachmentSerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, attachment_id: UUID) -> Response:
        """Delete an attachment."""
        services.delete_attachment(
            actor=self.actor, attachment_id=attachment_id, permission=CHAT_USER
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


_BYTES = {(200, "application/octet-stream"): OpenApiTypes.BINARY}


class AttachmentContentView(_AttachmentsBase):
    """The bytes of an attachment."""

    @extend_schema(
        operation_id="attachments_content",
        parameters=[OpenApiParameter("inline", bool, description="Pictures only: show, not save.")],
        responses=_BYTES,
    )
    def get(self, request: Request, attachment_id: UUID) -> HttpResponseBase:
        """Download the file; pictures were drawn anew, without camera data."""
        stored = selectors.open_content(
            actor=self.actor, attachment_id=attachment_id, permission=CHAT_USER
        )
        inline = stored.redrawn and request.query_params.get("inline") in {"1", "true"}
        return _served(request, stored, inline=inline)


class AttachmentThumbnailView(_AttachmentsBase):
    """The small picture of an attachment."""

    @extend_schema(operation_id="attachments_thumbnail", responses=_BYTES)
    def get(self, request: Request, attachment_id: UUID) -> HttpResponseBase:
        """Show a picture of at most 512 pixels a side."""
        stored = selectors.open_thumbnail(
            actor=self.actor, attachment_id=attachment_id, permission=CHAT_USER
        )
        return _served(request, stored, inline=True)


def _served(request: Request, stored: StoredFile, *, inline: bool) -> HttpResponseBase:
    tag = f'"{stored.digest[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        stored.file.close()
        return HttpResponseNotModified()
    first, last = _span(request, stored.size) or (0, stored.size - 1)
    stored.file.seek(first)
    whole = last - first + 1 == stored.size
    chunks = _async_chunks if isinstance(request._request, ASGIRequest) else _chunks
    response = StreamingHttpResponse(
        chunks(stored.file, last - first + 1),
        content_type=stored.media_type,
        status=status.HTTP_200_OK if whole else status.HTTP_206_PARTIAL_CONTENT,
    )
    response._resource_closers.append(stored.file.close)  # type: ignore[attr-defined]  # Django's own way
    if not whole:
        response.headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Length"] = str(last - first + 1)
    response.headers["Content-Disposition"] = (
        content_disposition_header(not inline, stored.name) or "attachment"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["ETag"] = tag
    return response


def _span(request: Request, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that are wanted; None for all (RFC 9110 lets us ignore)."""
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None or not any(wanted.groups()):
        return None
    start, end = wanted.groups()
    first, last = int(start or 0), min(int(end or size), size - 1)
    if not start:  # the last so many bytes
        first, last = max(size - int(end), 0), size - 1
    return (first, last) if first <= last else None


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while chunk := file.read(min(_CHUNK, size)):
        size -= len(chunk)
        yield chunk


async def _async_chunks(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    # Django would read a plain iterator to its end before the first byte leaves.
    read = sync_to_async(file.read, thread_sensitive=False)
    while chunk := await read(min(_CHUNK, size)):
        size -= len(chunk)
        yield chunk
