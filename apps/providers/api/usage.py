"""REST: what was used, call by call and added up; what a call would cost."""

from django.conf import settings
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.core import scope
from apps.core.pagination import NewestFirst
from apps.core.schema import PAGE_PARAMETERS, page_of
from apps.core.scope import current_actor
from apps.providers import usage
from apps.providers.api.usage_serializers import (
    CallSerializer,
    EstimateRequestSerializer,
    EstimateSerializer,
    UsageQuerySerializer,
    UsageSerializer,
    WindowSerializer,
)
from apps.providers.forecasts import forecast_costs
from apps.providers.usage import GroupBy, Window
from apps.providers.usage_file import calls_as_csv, file_name


class _UsageView(APIView):
    permission = CHAT_USER


def _window(request: Request) -> Window:
    asked = WindowSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    days = asked.validated_data
    return usage.usage_window(
        current_actor(), first=days.get("from"), last=days.get("to"), user_id=days.get("user")
    )


def csv_response(window: Window) -> StreamingHttpResponse:
    """Return the calls of a window as a file, written page by page."""
    content = calls_as_csv(window, tenant=scope.require())
    answer = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{file_name(window)}"'
    answer["Cache-Control"] = "private, no-store"
    return answer


class UsageView(_UsageView):
    """What was used, added up."""

    @extend_schema(
        operation_id="usage_retrieve",
        parameters=[UsageQuerySerializer],
        responses=UsageSerializer,
    )
    def get(self, request: Request) -> Response:
        """Add up calls by day, model, user, flow or key.

        Who does not administrate the workspace sees their own usage.
        """
        asked = UsageQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        group_by, window = GroupBy(asked.validated_data["group_by"]), _window(request)
        body = {
            "first": window.first,
            "last": window.last,
            "group_by": group_by.value,
            "total": usage.total_usage(window),
            "results": usage.list_usage(window, group_by),
        }
        return Response(UsageSerializer(body).data)


class UsageFileView(_UsageView):
    """What was used, as a file."""

    @extend_schema(
        operation_id="usage_file",
        parameters=[WindowSerializer],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Download every call as CSV, newest first."""
        return csv_response(_window(request))


class CallsView(_UsageView):
    """The calls themselves."""

    ordering = ("started_at", "id")

    @extend_schema(
        operation_id="usage_calls_list",
        parameters=[WindowSerializer, *PAGE_PARAMETERS],
        responses=page_of(CallSerializer),
    )
    def get(self, request: Request) -> Response:
        """List calls, newest first."""
        pages = NewestFirst()
        rows = pages.paginate_queryset(usage.list_calls(_window(request)), request, self)
        return pages.get_paginated_response(CallSerializer(rows, many=True).data)


class EstimateView(_UsageView):
    """What a call would cost."""

    @extend_schema(
        operation_id="usage_estimate",
        request=EstimateRequestSerializer,
        responses=EstimateSerializer,
    )
    def post(self, request: Request) -> Response:
        """Say what a prompt would cost, with one model or with each; nothing is asked."""
        form = EstimateRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        texts = [each["text"] for each in asked.get("messages", [])] or [asked.get("text", "")]
        found = forecast_costs(
            actor=current_actor(),
            texts=texts,
            max_tokens=asked.get("max_tokens", settings.CHAT_MAX_TOKENS),
            model=asked.get("model"),
        )
        return Response(EstimateSerializer(found).data)
