"""REST for the policy of a workspace's memory."""

from dataclasses import asdict, replace

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.scope import current_actor
from apps.memory import selectors, services
from apps.memory.contracts import SecretsPolicy
from apps.memory.permissions import ADMINISTER


class MemoryPolicySerializer(serializers.Serializer[object]):
    """The policy. The service checks the ranges; what is not given stays."""

    learns = serializers.BooleanField(required=False)
    keeps_said = serializers.BooleanField(required=False)
    secrets = serializers.ChoiceField(
        choices=[each.value for each in SecretsPolicy], required=False
    )
    semantic_half_life_days = serializers.IntegerField(required=False)
    episodic_half_life_days = serializers.IntegerField(required=False)
    procedural_half_life_days = serializers.IntegerField(required=False)
    retention_days = serializers.IntegerField(required=False, allow_null=True)
    said_retention_days = serializers.IntegerField(required=False, allow_null=True)
    per_subject_max = serializers.IntegerField(required=False)
    per_workspace_max = serializers.IntegerField(required=False)


class MemoryPolicyView(APIView):
    """How long memories live, how many there may be, and what is learnt."""

    permission = ADMINISTER

    @extend_schema(responses=MemoryPolicySerializer)
    def get(self, request: Request) -> Response:
        """Return the policy; the defaults where nobody decided."""
        policy = selectors.get_memory_policy(actor=current_actor(), permission=ADMINISTER)
        return Response(MemoryPolicySerializer(asdict(policy)).data)

    @extend_schema(request=MemoryPolicySerializer, responses=MemoryPolicySerializer)
    def put(self, request: Request) -> Response:
        """Change the policy; what is not given stays."""
        asked = MemoryPolicySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        if "secrets" in values:
            values["secrets"] = SecretsPolicy(values["secrets"])
        actor = current_actor()
        present = selectors.get_memory_policy(actor=actor, permission=ADMINISTER)
        policy = services.change_memory_policy(
            actor=actor, permission=ADMINISTER, wanted=replace(present, **values)
        )
        return Response(MemoryPolicySerializer(asdict(policy)).data)
