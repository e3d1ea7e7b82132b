"""`POST /api/v1/router/explain`: three policies, and why each question goes where it goes.

`ROUTER_EXAMPLES=docs/routing-examples.md` writes what it answers into the documentation, where a
test holds it up to date.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from apps.core.scope import TenantRef
from apps.providers import configuration
from apps.providers.models import Provider, RoutingPolicy
from tests.app.providers.conftest import set_up
from tests.fixtures.database import World
from tests.fixtures.people import People
from tools.lint.source import REPOSITORY

PATH = "/api/v1/router/explain"
PAGE = REPOSITORY / "docs" / "routing-examples.md"
BrowserOf = Callable[[UUID, TenantRef | None], Client]

POLICIES: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    ("private", {"sensitive": True}, {"local_only": True}, {}),
    (
        "long documents",
        {"min_tokens": 20_000},
        {"targets": [{"model": "openai/*"}], "order": "cheapest", "max_cost": "0.05"},
        {"context": ["gemini/*"]},
    ),
    (
        "trial",
        {"flows": ["chat.answer"], "interactive": True},
        {
            "order": "weighted",
            "targets": [
                {"model": "openai/gpt-4o-mini", "weight": 9},
                {"model": "groq/llama-3.3-70b-versatile", "weight": 1},
            ],
            "max_first_ms": 1200,
        },
        {"failure": ["gemini/*", "house/*"]},
    ),
)
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "Somebody writes a mail address",
        {"text": "Write to bea@example.org that the lease is signed.", "hour": 10, "weekday": 1},
    ),
    (
        "A long document is to be summed up",
        {
            "tokens": 60_000,
            "answer_tokens": 2_000,
            "flow": "chat.summary",
            "hour": 10,
            "weekday": 1,
        },
    ),
    (
        "A question in the chat, after the first choice failed",
        {
            "text": "What is a fjord?",
            "subject": "conversation 7",
            "failed": ["openai/gpt-4o-mini"],
            "hour": 10,
            "weekday": 1,
        },
    ),
)


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf, settings: Settings) -> Client:
    settings.LOCAL_MODEL = False
    settings.PROVIDERS_ECHO = False
    settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = settings.DEFAULT_MODEL = ""
    for slug, preset, models in (
        ("openai", "openai", ("gpt-4o", "gpt-4o-mini")),
        ("groq", "groq", ("llama-3.3-70b-versatile",)),
        ("gemini", "gemini", ("gemini-2.5-flash",)),
        ("house", "", ("qwen3-8b",)),
    ):
        provider = set_up(slug, f"https://{slug}.example/v1", *models)
        Provider.objects.filter(pk=provider.pk).update(preset=preset, is_trusted=slug == "house")
    provider.models.update(input_price=0, output_price=0)
    for place, (name, conditions, routes, fallbacks) in enumerate(POLICIES):
        RoutingPolicy.objects.create(
            tenant_id=committed.acme.id, name=name, position=place, conditions=conditions,
            routes=routes, fallbacks=fallbacks,
        )  # fmt: skip
    configuration.forget()
    return browser_of(people.ann, committed.acme)


def explained(client: Client, **question: Any) -> dict[str, Any]:
    answer = client.post(PATH, question, content_type="application/json")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_each_policy_decides_its_question_and_says_why(ann: Client) -> None:
    private, long, trial = (explained(ann, **question) for _, question in QUESTIONS)
    assert (private["policy"], private["sensitive"]) == ("private", True)
    assert [each["model"] for each in private["candidates"]] == ["house/qwen3-8b"]
    assert {each["reason"] for each in private["excluded"]} == {
        "the content is sensitive and the provider is not trusted"
    }
    assert long["policy"] == "long documents"
    assert long["candidates"][0]["model"] == "openai/gpt-4o-mini"
    assert [each["name"] for each in long["skipped"]] == ["private"]
    assert any("ceiling" in each["reason"] for each in long["excluded"])
    assert trial["policy"] == "trial"
    assert trial["candidates"][0]["model"] == "groq/llama-3.3-70b-versatile"
    assert trial["candidates"][1]["level"] == "fallback"
    assert {"name": "openai/gpt-4o-mini", "reason": "it was tried and did not answer"} in (
        trial["excluded"]
    )


def test_another_workspaces_policies_do_not_apply(
    ann: Client, committed: World, people: People, browser_of: BrowserOf
) -> None:
    gus = browser_of(people.gus, committed.globex)
    assert explained(gus, text="mail bea@example.org")["policy"] == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"flow": "no.such"},
        {"needs": ["wings"]},
        {"tokens": -1},
        {"hour": 24},
        {"text": "x" * 100_001},
        {"failed": "openai/gpt-4o"},
    ],
)
def test_what_is_no_question_is_refused_with_the_field(ann: Client, wrong: dict[str, Any]) -> None:
    answer = ann.post(PATH, wrong, content_type="application/json")
    assert answer.status_code == 400
    assert next(iter(wrong)) in json.dumps(answer.json())


def test_a_model_nobody_set_up_is_not_found(ann: Client) -> None:
    answer = ann.post(PATH, {"model": "no/such"}, content_type="application/json")
    assert answer.status_code == 404


def test_the_documented_examples_are_what_it_answers(ann: Client) -> None:
    page = _page(ann)
    target = os.environ.get("ROUTER_EXAMPLES")
    if target:
        Path(target).write_text(page)
    assert PAGE.read_text() == page


def _page(client: Client) -> str:
    lines = [
        "# What `router/explain` says",
        "",
        "Four providers are set up: `openai`, `groq`, `gemini`, and `house`, a server of one's own",
        "that is trusted with sensitive content and costs nothing. A workspace has three policies,",
        "asked in this order. This page is written by `tests/app/providers/test_router_explain.py`",
        "and held up to date by it.",
        "",
    ]
    for name, conditions, routes, fallbacks in POLICIES:
        policy = {"conditions": conditions, "routes": routes, "fallbacks": fallbacks}
        lines += [f"**{name}**", "", "```json", json.dumps(policy, indent=2), "```", ""]
    for title, question in QUESTIONS:
        answer = explained(client, **question)
        lines += [f"## {title}", "", "`POST /api/v1/router/explain`", ""]
        lines += ["```json", json.dumps(question, indent=2), "```", ""]
        lines += ["answers", "", "```json", json.dumps(answer, indent=2), "```", ""]
    return "\n".join(lines)
