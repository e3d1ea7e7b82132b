"""Views of the API as a whole: who am I, and what is not here."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.api.exceptions import json_error
from apps.api.serializers import MeSerializer
from apps.core import scope
from apps.core.errors import NotFound


class MeView(APIView):
    """The caller, as this workspace knows them."""

    permission = CHAT_USER

    @extend_schema(operation_id="me_retrieve", responses=MeSerializer)
    def get(self, _request: Request) -> Response:
        """Return who is signed in, with their permissions here."""
        me = {"actor": scope.current_actor(), "workspace": scope.require()}
        return Response(MeSerializer(me).data)


@csrf_exempt  # it changes nothing, and a refusal would be a page instead of the envelope
def nothing_here(_request: HttpRequest, **_captured: str) -> JsonResponse:
    """Answer addresses below `/api/` that lead nowhere, in the API's own shape."""
    return json_error(NotFound())
