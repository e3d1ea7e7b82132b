"""What the assistant is told: as it ships, and as a workspace words it."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

from apps.conversations import orchestrator, titles
from apps.conversations.contracts import Mode, TurnSettings
from apps.conversations.domain.modes import MODES
from apps.conversations.domain.packing import Source
from apps.conversations.domain.personas import BUILTIN_PERSONAS, DEFAULT_PERSONA
from apps.conversations.instructions import instruction_text
from apps.conversations.prompts import heading_of, mode_instruction, persona_instruction
from apps.core import scope
from apps.core.scope import Actor, TenantRef
from apps.providers import registry
from apps.providers.permissions import EDIT_PROMPTS
from apps.providers.services import prompts
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.scribe import MODEL, Scribe

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


def word(tenant: TenantRef, actor: Actor, name: str, **draft: Any) -> None:
    """Have a wording of a workspace's own hold."""
    with scope.tenant_scope(tenant), scope.actor_scope(actor), scope.correlation_scope():
        made = prompts.create_prompt_version(
            actor=actor, permission=EDIT_PROMPTS, name=name, draft=draft
        )
        prompts.activate_prompt_version(
            actor=actor, permission=EDIT_PROMPTS, name=name, number=made.number
        )


def system(text: str) -> list[Mapping[str, str]]:
    return [{"role": "system", "text": text}]


def test_the_default_assistant_is_told_one_sentence(committed: World) -> None:
    with scope.tenant_scope(committed.acme):
        assert instruction_text(TurnSettings(), "Acme") == (
            "You are Karen, a helpful AI assistant for Acme."
        )


def test_persona_mode_and_instruction_follow_each_other_most_general_first(
    committed: World,
) -> None:
    settings = TurnSettings(
        mode=Mode.CODE,
        persona_name="Ada",
        persona_instruction="You like {{ workspace }} proofs.\n",
        system_instruction=" Answer in French.",
    )
    with scope.tenant_scope(committed.acme):
        text = instruction_text(settings, "{weird} %s workspace")
        told = mode_instruction(Mode.CODE)

    assert text.split("\n\n") == [
        "You are Ada, a helpful AI assistant for {weird} %s workspace.",
        "You like {{ workspace }} proofs.",
        told,
        "Answer in French.",
    ]


def test_every_mode_says_something_of_its_own(committed: World) -> None:
    with scope.tenant_scope(committed.acme):
        told = [mode_instruction(mode) for mode in Mode]

    assert set(MODES) == set(Mode)
    assert len(set(told)) == len(told)
    assert all(MODES[mode].temperature is not None for mode in Mode if mode is not Mode.DEFAULT)


def test_the_built_in_personas_are_karen_and_two_who_differ(committed: World) -> None:
    with scope.tenant_scope(committed.acme):
        told = {persona_instruction(slug) for slug in BUILTIN_PERSONAS}

    assert next(iter(BUILTIN_PERSONAS)) == DEFAULT_PERSONA
    assert len(told) == 3


def test_every_source_has_a_heading(committed: World) -> None:
    with scope.tenant_scope(committed.acme):
        told = {heading_of(source) for source in Source if source is not Source.THREAD}

    assert len(told) == len(Source) - 1


def test_a_workspaces_wording_reaches_its_own_models_and_no_others(
    committed: World, people: People, actor_in: ActorIn, ann: Actor, scribe: Scribe
) -> None:
    word(committed.acme, ann, "chat.system", messages=system("Be {{ name }} of {{ workspace }}."))
    gus = actor_in(people.gus, committed.globex)
    for tenant, actor in ((committed.acme, ann), (committed.globex, gus)):
        turn = send(actor=actor, tenant=tenant, model=MODEL)
        with scope.tenant_scope(tenant), scope.correlation_scope():
            orchestrator.run_turn(turn_id=turn.turn_id)

    ours, theirs = (request.messages[0].text for request in scribe.asked)
    assert ours == "Be Karen of Acme."
    assert theirs == "You are Karen, a helpful AI assistant for Globex."


def test_a_title_that_repeats_the_workspaces_own_instruction_is_none(
    committed: World, ann: Actor, scribe: Scribe
) -> None:
    user = {"role": "user", "text": "{{ question }} {{ answer }}"}
    told = "Write a title: Invent purple bananas."
    word(committed.acme, ann, "conversation.title", messages=[*system(told), user])
    scribe.title = "Invent purple bananas"
    turn = send(actor=ann, tenant=committed.acme, model=MODEL)
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        orchestrator.run_turn(turn_id=turn.turn_id)
        assert not titles.write_title(turn_id=turn.turn_id)

    assert scribe.titled[0].messages[0].text == told


def test_a_title_is_written_after_thinking_which_nobody_sees(
    committed: World, ann: Actor, scribe: Scribe
) -> None:
    user = {"role": "user", "text": "{{ question }} {{ answer }}"}
    draft = {"messages": [*system("Write a title."), user], "think_first": True}
    word(committed.acme, ann, "conversation.title", **draft)
    scribe.title = "<thinking>Birds, surely.</thinking>\nSleeping Herons"
    turn = send(actor=ann, tenant=committed.acme, model=MODEL)
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        orchestrator.run_turn(turn_id=turn.turn_id)
        assert titles.write_title(turn_id=turn.turn_id)

    assert "step by step" in scribe.titled[0].messages[0].text


def test_everything_that_ships_is_described_and_named_once(committed: World) -> None:
    specs = registry.prompt_specs()

    assert {"conversation.title", "conversation.summary", "attachment.summary"} <= {
        spec.name for spec in specs
    }
    assert all(spec.description.endswith(".") for spec in specs)
