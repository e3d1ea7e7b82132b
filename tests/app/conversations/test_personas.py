"""Personas: built in, of the workspace, of one's own; what of them a turn gets."""

from apps.conversations.models.turns import Turn
from apps.core import scope
from tests.app.conversations.features import Person


def slugs(person: Person) -> list[str]:
    return [row["slug"] for row in person.ask("GET", "personas")["results"]]


def settings_of_turn(person: Person, turn_id: str) -> dict[str, object]:
    with scope.tenant_scope(person.world.acme):
        stored: dict[str, object] = Turn.objects.get(pk=turn_id).settings
        return stored


def test_built_in_personas_are_everywhere_and_cannot_be_changed(
    owner: Person, outsider: Person
) -> None:
    assert slugs(owner) == slugs(outsider) == ["karen", "editor", "tutor"]
    owner.refused("PATCH", "personas/karen", {"name": "x"}, status=409)
    owner.refused("DELETE", "personas/tutor", status=409)
    owner.refused("POST", "personas", {"name": "Tutor"}, status=409)


def test_ones_own_persona_is_seen_by_nobody_else(
    owner: Person, member: Person, outsider: Person
) -> None:
    made = owner.ask("POST", "personas", {"name": "Sea Captain"}, status=201)

    assert (made["slug"], made["origin"]) == ("sea-captain", "own")
    assert "sea-captain" in slugs(owner)
    assert "sea-captain" not in slugs(member) + slugs(outsider)
    member.refused("PATCH", "personas/sea-captain", {"name": "x"}, status=404)
    owner.ask("DELETE", "personas/sea-captain", status=204)
    owner.refused("DELETE", "personas/sea-captain", status=404)


def test_a_workspaces_persona_is_made_by_administrators_for_all_of_it(
    owner: Person, member: Person, outsider: Person
) -> None:
    refused = member.refused("POST", "personas", {"name": "X", "workspace": True}, status=403)
    owner.ask("POST", "personas", {"name": "House", "workspace": True}, status=201)

    assert refused["details"]["permission"] == "chat.admin"
    assert "house" in slugs(member)
    assert "house" not in slugs(outsider)
    denied = member.refused("PATCH", "personas/house", {"name": "Mine"}, status=403)
    assert denied["details"]["permission"] == "chat.admin"


def test_a_persona_needs_a_name_and_what_it_names_must_exist(owner: Person) -> None:
    owner.refused("POST", "personas", {}, status=400)
    owner.refused("POST", "personas", {"name": "你好"}, status=400)
    owner.ask("POST", "personas", {"name": "你好", "slug": "ni-hao"}, status=201)
    owner.refused("POST", "personas", {"name": "A", "slug": "No Slug"}, status=400)
    owner.refused("POST", "personas", {"name": "A", "model": "no/such"}, status=404)
    owner.refused("POST", "personas", {"name": "A", "temperature": 3}, status=400)
    here = owner.ask("POST", "conversations", {}, status=201)["id"]
    error = owner.refused("PATCH", f"conversations/{here}", {"persona": "nobody"}, status=404)
    assert error["type"] == "persona_not_found"


def test_a_turn_gets_what_the_persona_was_when_it_was_queued(owner: Person) -> None:
    fields = {
        "name": "Pirate",
        "instruction": "Talk like one.",
        "model": "echo/slow",
        "temperature": 1.1,
        "tools": ["dice", "map"],
    }
    owner.ask("POST", "personas", fields, status=201)
    options = {"persona": "pirate", "mode": "code", "tools": ["map", "clock"]}

    body = {"text": "ahoy", "client_message_id": "1", "options": options}
    first = owner.ask("POST", "turns", body, status=202)
    owner.ask("PATCH", "personas/pirate", {"instruction": "Whisper.", "temperature": None})
    again = {"text": "ahoy", "client_message_id": "2"}
    path = f"conversations/{first['conversation_id']}/messages"
    second = owner.ask("POST", path, again, status=202)
    owner.ask("DELETE", "personas/pirate", status=204)
    third = owner.ask("POST", path, {**again, "client_message_id": "3"}, status=202)

    before = settings_of_turn(owner, first["turn_id"])
    assert before["persona_name"] == "Pirate"
    assert before["persona_instruction"] == "Talk like one."
    assert before["temperature"] == 1.1
    assert before["tools"] == ["map"]
    assert owner.ask("GET", f"turns/{first['turn_id']}")["model"] == "echo/slow"
    after = settings_of_turn(owner, second["turn_id"])
    assert (after["persona_instruction"], after["temperature"]) == ("Whisper.", 0.1)
    deleted = settings_of_turn(owner, third["turn_id"])
    assert (deleted["persona"], deleted["persona_instruction"]) == ("karen", "")


def test_the_conversations_own_temperature_wins_over_persona_and_mode(owner: Person) -> None:
    options = {"persona": "editor", "mode": "creative", "temperature": 0.0}

    receipt = owner.say("hello", options=options)

    assert settings_of_turn(owner, receipt["turn_id"])["temperature"] == 0.0


def test_a_participant_uses_the_owners_persona_without_learning_of_it(
    owner: Person, member: Person
) -> None:
    owner.ask("POST", "personas", {"name": "Pirate", "instruction": "secret"}, status=201)
    sent = owner.answered()
    here = f"conversations/{sent.conversation_id}"
    owner.ask("PATCH", here, {"persona": "pirate"})
    owner.ask("PUT", f"{here}/participants/{member.id}")

    receipt = member.say("ahoy", sent.conversation_id)
    fork = member.ask("POST", f"{here}/fork", {"message_id": str(sent.message_id)}, status=201)

    assert settings_of_turn(owner, receipt["turn_id"])["persona_instruction"] == "secret"
    assert "secret" not in str(member.ask("GET", here))
    assert fork["persona"] == ""
    assert "pirate" not in slugs(member)
