"""How far a workspace's vectors are, and making them anew."""

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import TENANT_ADMIN
from apps.providers import reembedding


class CollectionProgressSerializer(serializers.Serializer[object]):
    """How far one collection is."""

    collection = serializers.CharField()
    total = serializers.IntegerField()
    current = serializers.IntegerField()
    waiting = serializers.IntegerField()
    other = serializers.DictField(child=serializers.IntegerField())


class EmbeddingsSerializer(serializers.Serializer[object]):
    """The embedding model that is used, and how far everything is with it."""

    model = serializers.CharField(allow_blank=True)
    collections = CollectionProgressSerializer(many=True)


def _document() -> dict[str, object]:
    progress = [{**asdict(each), "waiting": each.waiting} for each in reembedding.list_progress()]
    return {"model": reembedding.present_model(), "collections": progress}


class EmbeddingsView(APIView):
    """The workspace's vectors."""

    permission = TENANT_ADMIN

    @extend_schema(operation_id="embeddings_progress", responses=EmbeddingsSerializer)
    def get(self, _request: Request) -> Response:
        """Say how many rows have a vector of the present model, and what the others have."""
        return Response(EmbeddingsSerializer(_document()).data)

    @extend_schema(
        operation_id="embeddings_reembed", request=None, responses={202: EmbeddingsSerializer}
    )
    def post(self, _request: Request) -> Response:
        """Have the rest embedded now; the schedule does so anyway."""
        reembedding.enqueue_reembedding()
        return Response(EmbeddingsSerializer(_document()).data, status=status.HTTP_202_ACCEPTED)
