"""The page of prompts: read, reword, compare, activate, roll back, end an experiment."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.core.scope import TenantRef
from apps.providers.models.prompts import PromptExperiment, PromptVersion
from tests.app.providers.test_prompts import TITLE, activate, post, told, write
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
PAGE = f"/settings/prompts/{TITLE}/"


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_says_what_holds(ann: Client) -> None:
    activate(ann, write(ann, "Mine."))
    text = text_of(ann, "/settings/prompts/")

    assert TITLE in text
    assert "Your version 1" in text
    assert "As it ships with Karen" in text


def test_another_wording_is_kept_activated_compared_and_rolled_back(
    ann: Client, committed: World
) -> None:
    shipped = told(committed.acme)
    form = {"message_1": "Be <b>brief</b>.\r\nVery.", "message_2": "{{ question }}", "note": "x"}
    ann.post(PAGE, form)
    assert PromptVersion.objects.get().messages[0]["text"] == "Be <b>brief</b>.\nVery."
    assert told(committed.acme) == shipped

    ann.post(f"{PAGE}activate/", {"version": "1"})
    assert told(committed.acme) == "Be <b>brief</b>.\nVery."
    page = text_of(ann, f"{PAGE}?old=0&new=1")
    assert "+Be &lt;b&gt;brief&lt;/b&gt;." in page
    assert "<b>brief" not in page

    ann.post(f"{PAGE}rollback/")
    assert told(committed.acme) == shipped


def test_a_wording_that_cannot_be_used_is_said_beside_what_was_written(ann: Client) -> None:
    answer = ann.post(PAGE, {"message_1": "{{ nobody }}", "message_2": "x"})

    assert "refers to nobody, which is not declared" in answer.content.decode()
    assert "{{ nobody }}" in answer.content.decode()
    assert not PromptVersion.objects.exists()
    assert ann.post(PAGE, {}).status_code == 200  # empty texts are no wording


def test_what_does_not_exist_is_not_found(ann: Client) -> None:
    assert ann.get("/settings/prompts/no.such/").status_code == 404
    assert ann.get(f"{PAGE}?old=0&new=9").status_code == 404
    for body in ({}, {"version": "x"}, {"version": "99"}):
        assert ann.post(f"{PAGE}activate/", body).status_code == 404
    assert ann.post("/settings/prompts/chat.facts/rollback/").status_code == 404


def test_an_experiment_is_shown_and_ended_with_one_click(ann: Client, committed: World) -> None:
    number = write(ann, "B.")
    post(ann, f"prompts/{TITLE}/experiments", {"version": number}, status=201)
    assert "too few to tell" in text_of(ann, PAGE)
    refused = ann.post(f"{PAGE}activate/", {"version": "1"}, follow=True)
    assert "An experiment with this prompt is running" in refused.content.decode()

    experiment = PromptExperiment.objects.get()
    ann.post(f"/settings/prompt-experiments/{experiment.pk}/stop/", {"keep": "b"})
    assert told(committed.acme) == "B."
