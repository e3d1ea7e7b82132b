"""The platform's prompts in the console: written, activated, rolled back."""

import json
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.scope import TenantRef
from apps.providers.models.prompts import Prompt, PromptVersion
from tests.app.providers.test_prompts import TITLE, activate, told, write
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
VERSIONS, PROMPTS = "/admin/providers/promptversion/", "/admin/providers/prompt/"


@pytest.fixture
def operator(committed: World, people: People, browser_of: BrowserOf) -> Iterator[Client]:
    user = get_user_model().objects.create_superuser("op@karen.example", PASSWORD)
    yield browser_of(UUID(str(user.pk)), None)
    user.delete()


def added(operator: Client, text: str) -> str:
    told_so = {"messages": [{"role": "system", "text": text}, {"role": "user", "text": "x"}]}
    form = {"name": TITLE, "wording": json.dumps(told_so), "note": "why"}
    page: str = operator.post(f"{VERSIONS}add/", form, follow=True).content.decode()
    return page


def test_a_version_is_written_activated_and_rolled_back(operator: Client, committed: World) -> None:
    shipped = told(committed.acme)
    added(operator, "Of the platform.")
    version = PromptVersion.objects.get()
    assert told(committed.acme) == shipped
    operator.post(VERSIONS, {"action": "activate", "_selected_action": [str(version.pk)]})
    assert told(committed.acme) == "Of the platform."

    prompt = Prompt.objects.get()
    operator.post(PROMPTS, {"action": "roll_back", "_selected_action": [str(prompt.pk)]})
    assert told(committed.acme) == shipped
    actors = AuditEntry.objects.filter(target_type="prompt").values_list("actor_kind", "tenant_id")
    assert set(actors) == {("operator", None)}


def test_a_wording_that_cannot_be_used_is_refused_in_the_form(operator: Client) -> None:
    assert "refers to nobody" in added(operator, "{{ nobody }}")
    for wording in ("[]", "{", '{"messages": 5}'):
        form = {"name": TITLE, "wording": wording, "note": ""}
        assert operator.post(f"{VERSIONS}add/", form).status_code == 200
    assert not PromptVersion.objects.exists()


def test_what_workspaces_wrote_is_not_shown(
    operator: Client, committed: World, people: People, browser_of: BrowserOf
) -> None:
    ann = browser_of(people.ann, committed.acme)
    activate(ann, write(ann, "Private words of acme."))
    row = PromptVersion.objects.get()

    for path in (VERSIONS, PROMPTS, f"{VERSIONS}{row.pk}/change/"):
        assert "Private words" not in operator.get(path, follow=True).content.decode()
    operator.post(VERSIONS, {"action": "activate", "_selected_action": [str(row.pk)]})
    assert Prompt.objects.get().tenant_id == committed.acme.id
