"""REST: why a question would go to which model, without asking one."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.core.scope import current_actor
from apps.providers import selectors
from apps.providers.contracts import Cause, Flow
from apps.providers.domain.routing import Facts, Question, RoutePlan
from apps.providers.domain.routing_rules import Need

_TEXT_MAX, _TOKENS_MAX = 100_000, 10_000_000


class RouterQuestionSerializer(serializers.Serializer[object]):
    """A question that might be asked; everything has a default."""

    flow = serializers.ChoiceField(choices=[f.value for f in Flow], default=Flow.CHAT_ANSWER.value)
    model = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="As if somebody named it."
    )
    text = serializers.CharField(
        max_length=_TEXT_MAX, default="", allow_blank=True, help_text="What is said; not kept."
    )
    tokens = serializers.IntegerField(
        min_value=0, max_value=_TOKENS_MAX, required=False, help_text="Of the prompt; else by text."
    )
    answer_tokens = serializers.IntegerField(min_value=0, max_value=_TOKENS_MAX, default=1024)
    sensitive = serializers.BooleanField(default=False)
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=[n.value for n in Need]), default=list
    )
    subject = serializers.CharField(
        max_length=200,
        default="",
        allow_blank=True,
        help_text="Stays with one route.",
    )
    hour = serializers.IntegerField(min_value=0, max_value=23, required=False)
    weekday = serializers.IntegerField(min_value=0, max_value=6, required=False)
    failed = serializers.ListField(
        child=serializers.CharField(max_length=200),
        default=list,
        help_text="As if these had failed.",
    )
    cause = serializers.ChoiceField(
        choices=[c.value for c in Cause], default=Cause.FAILURE.value, help_text="Why they failed."
    )

    def question(self) -> Question:
        """Return it as routing takes it."""
        given: dict[str, Any] = self.validated_data
        asked = selectors.question_of(
            Flow(given["flow"]),
            asked=given["model"],
            subject=given["subject"],
            text=given["text"],
            sensitive=given["sensitive"],
            user_id=current_actor().id,
            failed=given["failed"],
            cause=Cause(given["cause"]),
        )
        return selectors.with_details(
            asked,
            tokens=given.get("tokens"),
            answer_tokens=given["answer_tokens"],
            needs=frozenset(Need(need) for need in given["needs"]),
            hour=given.get("hour"),
            weekday=given.get("weekday"),
        )


class RouterCandidateSerializer(serializers.Serializer[object]):
    """A model that would be asked."""

    model = serializers.CharField()
    level = serializers.ChoiceField(choices=["chosen", "fallback", "capable", "local", "scripted"])
    reasons = serializers.ListField(child=serializers.CharField())
    health = serializers.CharField()
    cost = serializers.DecimalField(
        max_digits=18,
        decimal_places=10,
        allow_null=True,
        help_text="US dollars at most.",
    )
    first_p95_ms = serializers.FloatField(allow_null=True)


class RouterExclusionSerializer(serializers.Serializer[object]):
    """A model that would not be asked, or a policy that does not apply."""

    name = serializers.CharField()
    reason = serializers.CharField()


class RouterPlanSerializer(serializers.Serializer[object]):
    """The whole choice."""

    sensitive = serializers.BooleanField(help_text="Marked, or found to be.")
    tokens = serializers.IntegerField()
    policy = serializers.CharField(allow_blank=True, help_text="Empty: none applies.")
    skipped = RouterExclusionSerializer(many=True)
    candidates = RouterCandidateSerializer(many=True)
    excluded = RouterExclusionSerializer(many=True)


class RouterExplainView(APIView):
    """Why a question would go where."""

    permission = CHAT_USER

    @extend_schema(
        operation_id="router_explain",
        request=RouterQuestionSerializer,
        responses=RouterPlanSerializer,
    )
    def post(self, request: Request) -> Response:
        """Explain the choice; no model is called and nothing is written down."""
        form = RouterQuestionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        question = form.question()
        plan = selectors.plan_route(question, with_costs=True)
        return Response(RouterPlanSerializer(_shown(question, plan)).data)


def _shown(question: Question, plan: RoutePlan) -> dict[str, Any]:
    return {
        "sensitive": question.sensitive,
        "tokens": question.tokens,
        "policy": plan.policy,
        "skipped": [{"name": name, "reason": reason} for name, reason in plan.skipped],
        "candidates": [
            {
                "model": each.model.id,
                "level": each.level.name.lower(),
                "reasons": each.reasons,
                **_facts(each.facts),
            }
            for each in plan.candidates
        ],
        "excluded": [{"name": e.model.id, "reason": e.reason} for e in plan.excluded],
    }


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "health": facts.health.value,
        "cost": facts.cost,
        "first_p95_ms": facts.measured.first_p95_ms,
    }
