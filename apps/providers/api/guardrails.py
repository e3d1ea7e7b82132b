"""REST views of guardrails: for those who manage the workspace."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.providers import selectors, services
from apps.providers.api.guardrail_serializers import (
    GuardrailCheckSerializer,
    GuardrailDecisionSerializer,
    GuardrailExplanationSerializer,
    GuardrailsSerializer,
)
from apps.providers.domain.guarding import Origin, Stage


class _ForManagers(APIView):
    permission = TENANT_ADMIN


class GuardrailsView(_ForManagers):
    """What the workspace has chosen."""

    @extend_schema(operation_id="guardrails_retrieve", responses=GuardrailsSerializer)
    def get(self, request: Request) -> Response:
        """Return it, rules included."""
        chosen = selectors.stored_guardrails(scope.require().id)
        return Response(GuardrailsSerializer(chosen).data)

    @extend_schema(request=GuardrailsSerializer, responses=GuardrailsSerializer)
    def put(self, request: Request) -> Response:
        """Replace it as a whole; 409 when `version` is not the present one."""
        form = GuardrailsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        chosen = services.set_guardrails(actor=scope.current_actor(), wanted=form.chosen())
        return Response(GuardrailsSerializer(chosen).data)


class GuardrailDecisionsView(_ForManagers):
    """What was decided."""

    @extend_schema(
        operation_id="guardrails_decisions_list",
        parameters=PAGE_PARAMETERS,
        responses=page_of(GuardrailDecisionSerializer),
    )
    def get(self, request: Request) -> Response:
        """List decisions of the workspace, newest first. What they were about is not kept."""
        pages = NewestFirst()
        rows = pages.paginate_queryset(selectors.list_guardrail_decisions(), request, self)
        return pages.get_paginated_response(GuardrailDecisionSerializer(rows, many=True).data)


class GuardrailCheckView(_ForManagers):
    """What would happen to a text."""

    @extend_schema(request=GuardrailCheckSerializer, responses=GuardrailExplanationSerializer)
    def post(self, request: Request) -> Response:
        """Explain; no model is called and nothing is written down."""
        form = GuardrailCheckSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        explanation = services.explain_guardrails(
            actor=scope.current_actor(),
            text=wanted["text"],
            stage=Stage(wanted["stage"]),
            origin=Origin(wanted["origin"]),
        )
        return Response(GuardrailExplanationSerializer(explanation).data)
