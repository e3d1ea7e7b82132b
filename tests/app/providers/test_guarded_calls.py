"""Guardrails around real calls: what leaves, what comes back, who may answer."""

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.conversations import orchestrator
from apps.conversations.models.turns import Turn
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import Actor
from apps.providers import configuration, gateway
from apps.providers.configuration import Configuration
from apps.providers.contracts import (
    ChatMessage,
    Flow,
    ModelRequest,
    Origin,
    Role,
    TextDelta,
)
from apps.providers.domain.guarding import GuardrailSettings, PiiAction
from apps.providers.errors import RouteRefused
from apps.providers.models import Provider
from apps.providers.models.guardrails import GuardrailDecision, GuardrailPolicy
from tests.app.providers.conftest import set_up
from tests.factories import send
from tests.fixtures.database import World
from tests.stubs.upstream import Upstream

MAIL = "bea@example.org"


def question(text: str, model: str, **more: Any) -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=(ChatMessage(role=Role.USER, text=text),),
        max_tokens=50,
        temperature=0.0,
        partition="p",
        **more,
    )


async def said(request: ModelRequest, **more: Any) -> str:
    events = gateway.stream(flow=Flow.API_ANSWER, request=request, **more)
    return "".join([event.text async for event in events if isinstance(event, TextDelta)])


def guarded(**values: Any) -> None:
    GuardrailPolicy.objects.create(tenant_id=scope.require().id, **values)
    configuration.forget()


async def test_personal_data_leaves_as_a_placeholder_and_comes_back_as_itself(
    committed: World, upstream: Upstream
) -> None:
    await tenant_db(guarded, pii_action="redact")

    answer = await said(question(f"Write to {MAIL}", "echo/plain"))
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await said(question(f"Write to {MAIL}", "up/plain"))

    assert MAIL in answer  # the echo repeats what it was told; the person sees the value
    assert MAIL not in json.dumps(upstream.bodies)
    assert "[EMAIL_1]" in json.dumps(upstream.bodies)
    decisions = await tenant_db(lambda: list(GuardrailDecision.objects.all()))
    assert {each.action for each in decisions} == {"redacted"}
    assert MAIL not in str([vars(each) for each in decisions])


async def test_sensitive_content_is_answered_by_a_trusted_model_only(
    committed: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(guarded, pii_action="local_only")
    await tenant_db(set_up, "cloud", upstream.base_url, "plain")
    house = await tenant_db(set_up, "house", upstream.base_url, "plain-4")

    with pytest.raises(RouteRefused):
        await said(question(f"Write to {MAIL}", "cloud/plain"))
    assert not upstream.bodies

    def trust() -> None:
        Provider.objects.filter(pk=house.pk).update(is_trusted=True)
        configuration.forget()

    await tenant_db(trust)

    def turn() -> Turn:
        sent = send(actor=ann, tenant=committed.acme, text=f"Write to {MAIL}", model="cloud/plain")
        orchestrator.run_turn(turn_id=sent.turn_id)
        return Turn.objects.select_related("answer").get(pk=sent.turn_id)

    answered = await tenant_db(turn)
    assert (answered.state, answered.model) == ("completed", "house/plain-4")
    assert [body["model"] for body in upstream.bodies] == ["plain-4"]


async def test_what_a_person_marked_stays_on_trusted_models_without_any_policy(
    committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "cloud", upstream.base_url, "plain")
    with pytest.raises(RouteRefused):
        await said(question("hello", "cloud/plain"), origin=Origin(is_sensitive=True))
    assert not upstream.bodies


async def test_an_answer_that_is_not_the_json_asked_for_is_asked_for_once_more(
    committed: World, upstream: Upstream
) -> None:
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object", "required": ["a"]}},
    }
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await tenant_db(guarded, repair_structure=True)
    records: list[Any] = []
    asked = question("hello", "up/plain", response_format=json.dumps(schema))

    answer = await said(asked, record=records.append)

    assert upstream.calls["plain"] == 2
    assert [record.status for record in records] == ["ok", "ok"]
    assert "word1" in answer  # nothing is invented in its place
    decisions = await tenant_db(lambda: list(GuardrailDecision.objects.all()))
    assert decisions


async def test_what_guardrails_held_back_of_a_cut_answer_is_not_lost(
    committed: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "cut")
    await tenant_db(guarded, secrets_in_answers=True)

    def turn() -> Turn:
        sent = send(actor=ann, tenant=committed.acme, text="hello", model="up/cut")
        orchestrator.run_turn(turn_id=sent.turn_id)
        return Turn.objects.select_related("answer").get(pk=sent.turn_id)

    cut = await tenant_db(turn)
    assert (cut.state, cut.answer.text) == ("interrupted", "word1 word2 ")


async def test_where_nothing_is_chosen_a_batch_passes_as_it_is(committed: World) -> None:
    with scope.tenant_scope(committed.globex):
        configuration.assume(replace(Configuration(), guardrails=GuardrailSettings()))
        assert MAIL in await said(question(f"Write to {MAIL}", "echo/plain"))
    assert GuardrailSettings().pii is PiiAction.OFF
