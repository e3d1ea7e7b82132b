"""REST views of API keys. Only who signed in manages them: a key makes and revokes none."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import selectors, services
from apps.accounts.api.serializers import (
    ApiKeySerializer,
    MadeApiKeySerializer,
    NewApiKeySerializer,
)
from apps.accounts.authentication.session import WorkspaceSession
from apps.accounts.permissions import CHAT_USER
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.core.scope import current_actor


class _KeysOfPeople(APIView):
    permission = CHAT_USER
    authentication_classes = (WorkspaceSession,)


class ApiKeysView(_KeysOfPeople):
    """The caller's own keys."""

    @extend_schema(
        operation_id="keys_list",
        parameters=PAGE_PARAMETERS,
        responses=page_of(ApiKeySerializer),
    )
    def get(self, request: Request) -> Response:
        """List the keys that were not revoked, newest first."""
        pages = NewestFirst()
        own = selectors.list_api_keys(actor=current_actor())
        keys = [selectors.api_key_view(key) for key in pages.paginate_queryset(own, request, self)]
        return pages.get_paginated_response(ApiKeySerializer(keys, many=True).data)

    @extend_schema(request=NewApiKeySerializer, responses={201: MadeApiKeySerializer})
    def post(self, request: Request) -> Response:
        """Make a key. Its secret is in this answer and nowhere else."""
        form = NewApiKeySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = dict(form.validated_data)
        scopes = values.pop("scopes", None)
        made = services.create_api_key(
            actor=current_actor(), scopes=tuple(scopes) if scopes else None, **values
        )
        body = MadeApiKeySerializer(made).data
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class ApiKeyDetailView(_KeysOfPeople):
    """One of the caller's own keys."""

    @extend_schema(operation_id="keys_destroy", responses={204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoke a key; it works no more."""
        services.revoke_api_key(actor=current_actor(), key_id=key_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
