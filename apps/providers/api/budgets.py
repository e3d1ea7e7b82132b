"""REST: budgets and how they stand."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN
from apps.core.scope import current_actor
from apps.providers import allowances
from apps.providers.api.budget_serializers import (
    BudgetChangeSerializer,
    BudgetListSerializer,
    BudgetSerializer,
    NewBudgetSerializer,
)
from apps.providers.services import budget_settings
from apps.providers.services.budget_settings import BudgetChange


class BudgetsView(APIView):
    """The workspace's budgets."""

    permission = {"GET": CHAT_USER, "POST": TENANT_ADMIN}  # noqa: RUF012  # read by the permission class

    @extend_schema(operation_id="budgets_list", responses=BudgetListSerializer)
    def get(self, request: Request) -> Response:
        """List budgets and how they stand; without `tenant.admin` one's own allowance."""
        found = allowances.list_budgets(actor=current_actor())
        return Response(BudgetListSerializer({"results": found, "next": None}).data)

    @extend_schema(
        operation_id="budgets_create",
        request=NewBudgetSerializer,
        responses={201: BudgetSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make a budget."""
        form = NewBudgetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = dict(form.validated_data)
        whose = {name: values.pop(name, None) for name in ("level", "subject_id", "unit", "period")}
        row = budget_settings.create_budget(
            actor=current_actor(), change=BudgetChange(**values), **whose
        )
        body = BudgetSerializer(allowances.budget_state(row)).data
        return Response(body, status=status.HTTP_201_CREATED)


class BudgetView(APIView):
    """One budget."""

    permission = TENANT_ADMIN

    @extend_schema(
        operation_id="budgets_update", request=BudgetChangeSerializer, responses=BudgetSerializer
    )
    def patch(self, request: Request, budget_id: UUID) -> Response:
        """Change how much, how strict, whether at all; what was used still counts."""
        form = BudgetChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = budget_settings.change_budget(
            actor=current_actor(), budget_id=budget_id, change=BudgetChange(**form.validated_data)
        )
        return Response(BudgetSerializer(allowances.budget_state(row)).data)

    @extend_schema(operation_id="budgets_destroy", responses={204: None})
    def delete(self, request: Request, budget_id: UUID) -> Response:
        """Remove a budget with what it counted."""
        budget_settings.delete_budget(actor=current_actor(), budget_id=budget_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
