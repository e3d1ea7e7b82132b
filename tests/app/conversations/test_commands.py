"""Commands: one path with messages, a reply on every edge, never anything of it in a prompt."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest

from apps.accounts.permissions import PERMISSIONS
from apps.conversations import registry
from apps.conversations.commands import registry as commands
from apps.conversations.commands.contracts import Command, CommandCall, CommandReply
from apps.conversations.contracts import Delivery
from apps.conversations.models.turns import Turn
from apps.conversations.selectors import branch_messages
from apps.conversations.services import attempts
from apps.conversations.stream import logged, stream_key
from apps.core import scope
from apps.core.errors import InvalidInput
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor
from tests.app.conversations.features import Person
from tests.app.conversations.search_scene import told
from tests.factories import send

ALL = {
    "help", "model", "persona", "mode", "system", "memory", "pin", "tools", "search", "summarize",
    "export", "reset",
}  # fmt: skip


def test_the_slash_menu_lists_every_command_and_what_the_person_may(
    owner: Person, member: Person
) -> None:
    mine = {row["name"]: row for row in owner.ask("GET", "commands")["results"]}
    hers = {row["name"]: row for row in member.ask("GET", "commands")["results"]}

    assert set(mine) == ALL
    assert all(row["allowed"] for row in mine.values())
    assert {name for name, row in hers.items() if not row["allowed"]} == {"persona", "system"}
    assert all(row["usage"].startswith("/") and row["help"].endswith(".") for row in mine.values())
    assert {row["permission"] for row in mine.values()} - {""} <= set(PERMISSIONS)


def test_a_command_is_answered_at_once_and_its_turn_is_over(owner: Person) -> None:
    receipt = owner.say("/mode code")

    turn = owner.ask("GET", f"turns/{receipt['turn_id']}")
    given, reply = owner.messages(receipt["conversation_id"]).values()
    conversation = owner.ask("GET", f"conversations/{receipt['conversation_id']}")

    assert (turn["kind"], turn["state"], turn["attempt"]) == ("command", "completed", 1)
    assert (given["kind"], given["role"], given["text"]) == ("command", "user", "/mode code")
    assert (reply["kind"], reply["role"], reply["status"]) == ("command", "assistant", "complete")
    assert conversation["mode"] == "code"
    assert conversation["leaf_id"] == reply["id"]
    assert conversation["active_turn_id"] is None
    assert conversation["title"] == ""


def test_the_reply_is_in_the_stream_of_its_turn_like_any_answer(owner: Person) -> None:
    receipt = owner.say("/mode")

    with scope.tenant_scope(owner.world.acme):
        entries = redis_client(RedisRole.STREAMS).xrange(stream_key(UUID(receipt["turn_id"])))
    events = [event.decode() for event in logged(entries)]

    assert [event.kind for event in events] == ["start", "delta", "done"]
    assert "default" in getattr(events[1], "text", "")


def test_the_same_command_again_does_nothing_twice(owner: Person) -> None:
    first = owner.say("/mode code", client_message_id="same")
    owner.ask("PATCH", f"conversations/{first['conversation_id']}", {"mode": "creative"})

    again = owner.say("/mode code", first["conversation_id"], client_message_id="same")
    other = owner.refused(
        "POST",
        f"conversations/{first['conversation_id']}/messages",
        {"text": "/mode analysis", "client_message_id": "same"},
        status=409,
    )

    assert again["turn_id"] == first["turn_id"]
    assert (again["created"], first["created"]) == (False, True)
    conversation = owner.ask("GET", f"conversations/{first['conversation_id']}")
    assert conversation["mode"] == "creative"
    assert other["type"] == "idempotency_conflict"


def test_an_unknown_command_gets_near_matches_and_a_way_out(owner: Person) -> None:
    reply = owner.reply_to("/perosna tutor")

    assert "`/perosna`" in reply
    assert "`/persona`" in reply
    assert "space before the slash" in reply


def test_a_path_or_an_escaped_slash_goes_to_the_assistant(owner: Person) -> None:
    for text in ("/etc/passwd is readable", " /help", "//help"):
        receipt = owner.say(text)
        assert owner.ask("GET", f"turns/{receipt['turn_id']}")["kind"] == "answer"


@pytest.mark.parametrize(
    "text, permission",
    [("/persona tutor", "chat.persona.change"), ("/system be brief", "chat.config.edit")],
)
def test_a_forbidden_command_says_which_permission_is_missing(
    member: Person, text: str, permission: str
) -> None:
    assert permission in member.reply_to(text)


def test_what_a_command_says_never_reaches_a_model(owner: Person) -> None:
    sent = owner.answered("tell me")
    owner.say("/mode code", sent.conversation_id)
    following = owner.say("go on", sent.conversation_id)

    with scope.tenant_scope(owner.world.acme):
        turn = Turn.objects.get(pk=following["turn_id"])
        seen = [message.text for message in branch_messages(leaf_id=turn.user_message_id)]

    assert seen == ["tell me", "tell me", "go on"]
    assert turn.settings["mode"] == "code"
    assert turn.settings["temperature"] == 0.1


def test_a_message_after_a_command_still_waits_for_the_answer_before_it(
    owner: Person,
) -> None:
    tenant = owner.world.acme
    first = send(actor=owner.actor, tenant=tenant)
    owner.say("/mode code", first.conversation_id)

    second = send(
        actor=owner.actor,
        tenant=tenant,
        conversation_id=first.conversation_id,
        delivery=Delivery.QUEUE,
    )

    with scope.tenant_scope(tenant):
        assert Turn.objects.get(pk=second.turn_id).blocked_by_id == first.turn_id


def test_a_reset_starts_a_branch_that_nothing_stands_before(owner: Person) -> None:
    sent = owner.answered("before")
    here = sent.conversation_id
    owner.ask("PATCH", f"conversations/{here}", {"mode": "code", "system_instruction": "x"})

    owner.reply_to("/reset all", here)
    following = owner.say("after", here)

    with scope.tenant_scope(owner.world.acme):
        claimed = attempts.claim_turn(turn_id=UUID(following["turn_id"]), owner="w", lease_ttl_s=9)
    assert claimed is not None
    assert [message.text for message in claimed.history] == ["after"]
    assert claimed.settings.system_instruction == ""
    assert claimed.settings.mode == "default"
    assert "before" in [message["text"] for message in owner.messages(here).values()]


def test_a_command_has_no_other_answer(owner: Person) -> None:
    receipt = owner.say("/help")

    error = owner.refused(
        "POST",
        f"messages/{receipt['message_id']}/regenerate",
        {"client_message_id": "again"},
        status=400,
    )

    assert "command" in str(error["details"])


def test_model_shows_chooses_and_explains(owner: Person) -> None:
    here = owner.say("/model")["conversation_id"]

    assert "`echo/plain`" in owner.reply_to("/model", here)
    assert "`echo/slow`" in owner.reply_to("/model echo/slwo", here)
    owner.reply_to("/model echo/slow", here)
    assert owner.ask("GET", f"conversations/{here}")["model"] == "echo/slow"
    owner.reply_to("/model default", here)
    assert owner.ask("GET", f"conversations/{here}")["model"] == ""


def test_persona_and_system_show_and_set(owner: Person) -> None:
    here = owner.say("/persona tutor")["conversation_id"]
    owner.reply_to("/system Answer in\nFrench.", here)

    conversation = owner.ask("GET", f"conversations/{here}")
    assert conversation["persona"] == "tutor"
    assert conversation["system_instruction"] == "Answer in\nFrench."
    assert "**Tutor**" in owner.reply_to("/persona", here)
    assert "> French." in owner.reply_to("/system", here)
    owner.reply_to("/system clear", here)
    assert owner.ask("GET", f"conversations/{here}")["system_instruction"] == ""


def test_pin_keeps_the_last_message_that_was_said(owner: Person) -> None:
    sent = owner.answered("keep this")
    owner.reply_to("/mode", sent.conversation_id)

    assert "keep this" in owner.reply_to("/pin", sent.conversation_id)
    pinned = [m for m in owner.messages(sent.conversation_id).values() if m["pinned"]]
    assert [(m["role"], m["kind"]) for m in pinned] == [("assistant", "chat")]
    assert "keep this" in owner.reply_to("/pin list", sent.conversation_id)
    owner.reply_to("/pin remove", sent.conversation_id)
    assert "Nothing is pinned" in owner.reply_to("/pin list", sent.conversation_id)
    assert "nothing to pin" in owner.reply_to("/pin")


def test_search_finds_what_the_search_finds(owner: Person, member: Person) -> None:
    told(owner.world.acme, owner.id, "the zebra [invoice](x)", title="Mine")
    told(owner.world.acme, member.id, "a zebra of hers", title="Hers")

    reply = owner.reply_to("/search zebra")

    assert "[Mine](" in reply
    assert "Hers" not in reply
    assert "[invoice]" not in reply
    assert "Write what to look for" in owner.reply_to("/search")


@pytest.fixture
def no_sources() -> Iterator[None]:
    """Nobody registered a search or tools, as where those parts are not installed."""
    before = (list(registry._finders), list(registry._tools))
    registry._finders.clear()
    registry._tools.clear()
    yield
    registry._finders[:], registry._tools[:] = before


def test_without_a_search_ones_own_messages_are_looked_through(
    owner: Person, member: Person, no_sources: None
) -> None:
    owner.say('the "Zebra" invoice')
    member.say("a zebra of mine")

    assert "Zebra" in owner.reply_to("/search zebra")
    assert "of mine" not in owner.reply_to("/search zebra")
    assert "Zebra" in owner.reply_to('/search "zebra')
    assert "Nothing was found" in owner.reply_to("/search type")


def test_summarize_asks_the_model_and_has_nothing_to_do_at_first(owner: Person) -> None:
    assert "nothing to summarise" in owner.reply_to("/summarize")
    sent = owner.answered("a long story")

    receipt = owner.say("/summarize the money", sent.conversation_id)

    turn = owner.ask("GET", f"turns/{receipt['turn_id']}")
    question = owner.messages(sent.conversation_id)[receipt["message_id"]]
    assert (turn["kind"], turn["state"]) == ("answer", "queued")
    assert question["kind"] == "chat"
    assert question["text"].startswith("Summarise our conversation")
    assert "the money" in question["text"]


def test_export_gives_links_to_the_downloads(owner: Person) -> None:
    sent = owner.answered()

    reply = owner.reply_to("/export", sent.conversation_id)

    assert f"/api/v1/conversations/{sent.conversation_id}/export?format=markdown" in reply
    assert "format=json" in reply


def test_tools_lists_what_plugins_offer_and_the_conversation_allows(owner: Person) -> None:
    here = owner.say("/tools")["conversation_id"]

    assert "`calculator`" in owner.reply_to("/tools", here)
    owner.ask("PATCH", f"conversations/{here}", {"tools": ["date_time"]})
    assert "`calculator`" not in owner.reply_to("/tools", here)


@pytest.fixture
def no_memory() -> Iterator[None]:
    before = list(registry._memory)
    registry._memory.clear()
    yield
    registry._memory[:] = before


def test_what_is_not_here_is_said_to_be_missing(
    owner: Person, no_sources: None, no_memory: None
) -> None:
    assert owner.reply_to("/memory") == "Memory is not available here."
    assert owner.reply_to("/tools") == "No tools are available here."


class Book:
    """A memory that lasts as long as the test."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}

    def remember(self, *, actor: Actor, text: str) -> str:
        self.lines[str(len(self.lines))] = text
        return str(len(self.lines) - 1)

    def recall(self, *, actor: Actor, limit: int) -> Sequence[registry.MemoryLine]:
        return [registry.MemoryLine(id=key, text=text) for key, text in self.lines.items()][:limit]

    def forget(self, *, actor: Actor, memory_id: str) -> bool:
        return self.lines.pop(memory_id, None) is not None


@pytest.fixture
def book() -> Iterator[Book]:
    before = registry.memory_book()
    made = Book()
    registry.register_memory_book(made)
    yield made
    registry._memory[:] = [before] if before else []


def test_memory_remembers_lists_and_forgets(owner: Person, book: Book) -> None:
    here = owner.say("/memory remember I prefer tea")["conversation_id"]

    assert "I prefer tea" in owner.reply_to("/memory", here)
    assert owner.reply_to("/memory forget 0", here) == "Forgotten."
    assert "Nothing remembered" in owner.reply_to("/memory forget 0", here)
    assert "Write what to remember" in owner.reply_to("/memory remember", here)


def test_a_repeated_command_changes_no_memory_again(owner: Person, book: Book) -> None:
    first = owner.say("/memory remember tea", client_message_id="same")
    owner.say("/memory remember tea", client_message_id="same")
    here = first["conversation_id"]
    owner.say("/memory remember milk", here, client_message_id="other")
    owner.say("/memory remember milk", here, client_message_id="other")

    assert list(book.lines.values()) == ["tea", "milk"]


def test_memory_is_the_persons_own(owner: Person, member: Person) -> None:
    owner.reply_to("/memory remember I prefer tea")

    assert "I prefer tea" in owner.reply_to("/memory")
    assert "tea" not in member.reply_to("/memory")
    (row,) = owner.ask("GET", "memories")["results"]
    assert "Nothing remembered" in member.reply_to(f"/memory forget {row['id']}")
    assert "Nothing remembered" in owner.reply_to("/memory forget it")
    assert owner.reply_to(f"/memory forget {row['id']}") == "Forgotten."


def test_a_temporary_conversation_is_not_remembered(owner: Person, book: Book) -> None:
    reply = owner.reply_to("/memory remember this", options={"temporary": True})

    assert "leaves no trace" in reply
    assert book.lines == {}


@pytest.fixture
def dice() -> Iterator[Command]:
    def roll(call: CommandCall) -> CommandReply:
        call.conversation.title = "half way"
        if call.argument == "bad":
            raise InvalidInput(fields={"sides": ["A die has sides."]})
        call.columns.append("title")
        return CommandReply(text="**4**")

    command = Command(
        name="dice", usage="/dice", help="Roll.", run=roll, permission="chat.tools.code"
    )
    commands.register_command(command)
    yield command
    commands.unregister_command("dice")


def test_a_plugin_adds_a_command_with_a_permission_of_its_own(
    owner: Person, member: Person, dice: Command
) -> None:
    assert owner.reply_to("/dice") == "**4**"
    assert "chat.tools.code" in member.reply_to("/dice")
    assert "dice" in [row["name"] for row in member.ask("GET", "commands")["results"]]


def test_a_command_that_refuses_leaves_its_reason_and_nothing_else(
    owner: Person, dice: Command
) -> None:
    receipt = owner.say("/dice bad")

    reply = list(owner.messages(receipt["conversation_id"]).values())[-1]
    assert reply["text"] == "A die has sides."


def test_two_commands_cannot_have_one_name(dice: Command) -> None:
    with pytest.raises(commands.CommandTaken):
        commands.register_command(
            Command(name="dice", usage="/dice", help="Again.", run=dice.run, permission="x")
        )
    with pytest.raises(ValueError, match="no name"):
        commands.register_command(Command(name="No", usage="/No", help="No.", run=dice.run))
