"""The law of every mutating action: state before + the notices received == a fresh read.

Checked for the owner and for a participant, with each notice applied once and twice. A table names
every address that changes something; a new one fails here until it has a row.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.conversations import orchestrator
from apps.conversations.contracts import Delivery
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from tests.app.conversations.tabs import Tab
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]

API = "api/v1/"
ONE = "conversations/<uuid:conversation_id>"
MESSAGE = "messages/<uuid:message_id>"


@dataclass(kw_only=True)
class Scene:
    """A workspace in which every action has something to change.

    Attributes:
        shared: Ann's, with Bea in it; one answer, then a cut one.
        busy: Ann's, with Bea in it; one message waits for the answer to another.
        filed: Ann's alone, in her folder; with an answer that the model thought about.
        names: The ids, by the words that actions use.
    """

    world: World
    ann: Client
    bea: Client
    ann_actor: Actor
    names: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, *, by: str = "ann") -> Any:
        client = self.ann if by == "ann" else self.bea
        address = "/" + API + path.format(**self.names)
        answer = client.generic(
            method, address, data=_json(body, self.names), content_type="application/json"
        )
        assert answer.status_code < 300, answer.content
        return answer.json() if answer.content else None


def _json(body: object, names: dict[str, str]) -> str:

    text = json.dumps(body if body is not None else {})
    for name, value in names.items():
        text = text.replace(f'"{{{name}}}"', f'"{value}"')
    return text


@pytest.fixture
def scene(committed: World, people: People, browser_of: BrowserOf, actor_in: ActorIn) -> Scene:
    acme, ann = committed.acme, actor_in(people.ann, committed.acme)
    made = Scene(
        world=committed,
        ann=browser_of(people.ann, acme),
        bea=browser_of(people.bea, acme),
        ann_actor=ann,
    )
    shared = send(actor=ann, tenant=acme, text="hello there")
    with scope.tenant_scope(acme):
        orchestrator.run_turn(turn_id=shared.turn_id)
    cut = send(actor=ann, tenant=acme, text="one two\n!cut", conversation_id=shared.conversation_id)
    with scope.tenant_scope(acme):
        orchestrator.run_turn(turn_id=cut.turn_id)
    busy = send(actor=ann, tenant=acme, text="first")
    waiting = send(
        actor=ann,
        tenant=acme,
        text="second",
        conversation_id=busy.conversation_id,
        delivery=Delivery.QUEUE,
    )
    filed = send(actor=ann, tenant=acme, text="filed")
    made.names = {
        "shared": str(shared.conversation_id),
        "question": str(shared.message_id),
        "busy": str(busy.conversation_id),
        "turn": str(busy.turn_id),
        "waiting": str(waiting.turn_id),
        "filed": str(filed.conversation_id),
        "bea": str(people.bea),
        "nobody": str(new_id()),
    }
    made.names["folder"] = made.ask("POST", "folders", {"name": "Work"})["id"]
    made.names["other_folder"] = made.ask("POST", "folders", {"name": "Home"})["id"]
    made.ask("PATCH", "conversations/{filed}", {"folder_id": "{folder}", "tags": ["old"]})
    made.ask("POST", "personas", {"name": "Mine"})
    with scope.tenant_scope(acme):
        orchestrator.run_turn(turn_id=filed.turn_id)
        answers = {
            "answer": shared.turn_id,
            "cut_answer": cut.turn_id,
            "filed_answer": filed.turn_id,
        }
        for name, turn_id in answers.items():
            made.names[name] = str(Turn.objects.get(pk=turn_id).answer_id)
        for name in ("shared", "busy"):
            conversation = Conversation.objects.get(pk=made.names[name])
            Participant.objects.create(
                conversation=conversation, user_id=people.bea, added_by=people.ann
            )
        # What the scripted model does not do: think before it answers.
        thoughtful = Message.objects.get(pk=made.names["filed_answer"])
        thoughtful.parts = [{"type": "reasoning", "text": "hm"}, *thoughtful.parts]
        thoughtful.save(update_fields=["parts"])
    made.names["share"] = made.ask("POST", "conversations/{shared}/shares", {})["id"]
    return made


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing that somebody does.

    Attributes:
        method: Of the request.
        route: As the resolver spells it.
        what: Says what is special about it.
        do: Does it.
        arrives_unread: It brings conversations whose messages a client loads when it opens them.
    """

    method: str
    route: str
    what: str
    do: Callable[[Scene], object]
    arrives_unread: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.route} {self.what}"


def _act(
    method: str,
    route: str,
    path: str,
    body: object = None,
    *,
    what: str = "",
    by: str = "ann",
    unread: bool = False,
) -> Action:
    return Action(
        method=method,
        route=route,
        what=what,
        do=lambda scene: scene.ask(method, path, body, by=by),
        arrives_unread=unread,
    )


def _sent(text: str, **more: object) -> dict[str, object]:
    return {"text": text, "client_message_id": "law", "model": "echo/plain", **more}


def _bulk(action: str, **more: object) -> Action:
    body = {"ids": ["{shared}", "{filed}", "{nobody}"], "action": action, **more}
    return _act("POST", "conversations/bulk", "conversations/bulk", body, what=action)


def _rate_and_take_back(scene: Scene) -> None:
    scene.ask("PUT", "messages/{answer}/feedback", {"rating": -1, "comment": "no"}, by="bea")
    scene.ask("DELETE", "messages/{answer}/feedback", by="bea")


def _pin_and_unpin(scene: Scene) -> None:
    scene.ask("PUT", "messages/{answer}/pin")
    scene.ask("DELETE", "messages/{answer}/pin", by="bea")


def _stop_while_another_waits(scene: Scene) -> None:
    scene.ask("POST", "turns/{turn}/cancel")


def _answer_while_another_waits(scene: Scene) -> None:
    with scope.tenant_scope(scene.world.acme):
        orchestrator.run_turn(turn_id=UUID(scene.names["turn"]))


def _tree(count: int) -> dict[str, object]:
    return {
        "format": "karen.conversation",
        "version": 1,
        "conversation": {"title": "From elsewhere"},
        "messages": [
            {"id": str(n), "parent_id": str(n - 1) if n else None, "role": "user", "text": f"{n}"}
            for n in range(count)
        ],
    }


MESSAGES = f"{ONE}/messages"
CONTINUE = {"client_message_id": "law"}

ACTIONS: tuple[Action, ...] = (
    _act("POST", "conversations", "conversations", {"title": "new", "tags": ["a"]}),
    _act("POST", "turns", "turns", _sent("hello")),
    _act("POST", "turns", "turns", _sent("/help"), what="a command"),
    _act("POST", "turns", "turns", _sent("psst", options={"temporary": True}), what="temporary"),
    _act("POST", MESSAGES, "conversations/{shared}/messages", _sent("more"), what="next"),
    _act(
        "POST", MESSAGES, "conversations/{shared}/messages", _sent("me too"), what="bea", by="bea"
    ),
    _act("POST", MESSAGES, "conversations/{busy}/messages", _sent("third"), what="queued"),
    _act(
        "POST",
        MESSAGES,
        "conversations/{busy}/messages",
        _sent("rather this", delivery="steer"),
        what="steering",
    ),
    _act(
        "POST",
        MESSAGES,
        "conversations/{shared}/messages",
        _sent("edited", edit_of="{question}"),
        what="an edit on a new branch",
    ),
    _act(
        "POST",
        MESSAGES,
        "conversations/{shared}/messages",
        {**_sent("both"), "models": ["echo/plain", "echo/slow"]},
        what="two models",
    ),
    *(
        _act(
            "POST",
            MESSAGES,
            "conversations/{shared}/messages",
            _sent(text),
            what=text,
        )
        for text in (
            "/mode code",
            "/persona tutor",
            "/model echo/plain",
            "/system Be brief.",
            "/pin",
            "/reset",
            "/reset all",
            "/summarize",
            "/nonsense",
        )
    ),
    _act("POST", MESSAGES, "conversations/{busy}/messages", _sent("/pin"), what="/pin meanwhile"),
    _act("POST", f"{MESSAGE}/regenerate", "messages/{answer}/regenerate", CONTINUE),
    _act("POST", f"{MESSAGE}/continue", "messages/{cut_answer}/continue", CONTINUE),
    _act("PUT", f"{ONE}/branch", "conversations/{shared}/branch", {"message_id": "{question}"}),
    _act("PATCH", ONE, "conversations/{shared}", {"title": "Ours", "pinned": True}),
    _act("PATCH", ONE, "conversations/{filed}", {"show_reasoning": True}, what="shows reasoning"),
    _act("PATCH", ONE, "conversations/{filed}", {"folder_id": None, "tags": []}, what="unfiled"),
    _act(
        "PATCH", ONE, "conversations/{shared}", {"mode": "code"}, what="by a participant", by="bea"
    ),
    _act("DELETE", ONE, "conversations/{shared}"),
    _act("DELETE", ONE, "conversations/{busy}", what="while answers run"),
    Action(
        method="POST",
        route="turns/<uuid:turn_id>/cancel",
        what="while another waits",
        do=_stop_while_another_waits,
    ),
    _act("POST", "turns/<uuid:turn_id>/cancel", "turns/{waiting}/cancel", what="a waiting one"),
    Action(
        method="",
        route="",
        what="an answer ends and frees the next",
        do=_answer_while_another_waits,
    ),
    *(_bulk(action) for action in ("archive", "unarchive", "pin", "unpin", "delete")),
    _bulk("move", folder_id="{other_folder}"),
    _bulk("move", folder_id=None),
    _bulk("tag", tag="new"),
    _bulk("untag", tag="old"),
    _act("POST", "folders", "folders", {"name": "Third"}),
    _act("PATCH", "folders/<uuid:folder_id>", "folders/{other_folder}", {"position": 0}),
    _act("DELETE", "folders/<uuid:folder_id>", "folders/{folder}"),
    _act(
        "POST",
        f"{ONE}/fork",
        "conversations/{shared}/fork",
        {"message_id": "{answer}"},
        unread=True,
    ),
    _act(
        "PUT",
        f"{ONE}/participants/<uuid:user_id>",
        "conversations/{filed}/participants/{bea}",
        unread=True,
    ),
    _act(
        "DELETE",
        f"{ONE}/participants/<uuid:user_id>",
        "conversations/{shared}/participants/{bea}",
    ),
    _act(
        "DELETE",
        f"{ONE}/participants/<uuid:user_id>",
        "conversations/{busy}/participants/{bea}",
        what="who leaves",
        by="bea",
    ),
    _act("POST", "conversations/import", "conversations/import", [_tree(3), _tree(4)], unread=True),
    _act("PUT", f"{MESSAGE}/feedback", "messages/{answer}/feedback", {"rating": 1}, by="bea"),
    Action(method="DELETE", route=f"{MESSAGE}/feedback", what="", do=_rate_and_take_back),
    _act("PUT", f"{MESSAGE}/pin", "messages/{answer}/pin", by="bea"),
    Action(method="DELETE", route=f"{MESSAGE}/pin", what="", do=_pin_and_unpin),
    _act("POST", f"{ONE}/shares", "conversations/{shared}/shares", {"audience": "link"}),
    _act("DELETE", "shares/<uuid:share_id>", "shares/{share}"),
    _act("POST", "personas", "personas", {"name": "Another"}),
    _act("PATCH", "personas/<slug:slug>", "personas/mine", {"name": "Other"}),
    _act("DELETE", "personas/<slug:slug>", "personas/mine"),
)

# "METHOD route" → why it changes nothing that a tab shows of conversations.
EXEMPT: dict[str, str] = {
    "POST keys": "keys are of accounts",
    "DELETE keys/<uuid:key_id>": "keys are of accounts",
    "POST memories": "memories are of memory",
    "DELETE memories": "memories are of memory",
    "POST memories/search": "it only reads",
    "POST memories/forget": "memories are of memory",
    "POST memories/merge": "memories are of memory",
    "POST memories/changes/<uuid:change_id>/undo": "memories are of memory",
    "POST memories/<uuid:memory_id>/restore": "memories are of memory",
    "PATCH memories/<uuid:memory_id>": "memories are of memory",
    "DELETE memories/<uuid:memory_id>": "memories are of memory",
    "PUT memory-policy": "a policy is of memory",
    "POST attachments": "a file that was not sent yet is in no conversation",
    "DELETE attachments/<uuid:attachment_id>": "the message that it was sent with stays as it is",
}
# Settings and books of the gateway: no tab shows them of conversations.
_GATEWAY = (
    "budgets", "embeddings", "gateway", "guardrails", "prompt", "providers", "router",
    "routing-policies", "usage",
)  # fmt: skip


def _endpoints(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _endpoints(entry.url_patterns, route)
        else:
            callback: Any = entry.callback
            yield route, getattr(callback, "cls", None) or getattr(callback, "view_class", None)


def _mutating() -> set[str]:
    found = set()
    for route, view in _endpoints(get_resolver("karen_site.urls_tenant").url_patterns):
        if not route.startswith(API):
            continue
        for method in ("post", "put", "patch", "delete"):
            if hasattr(view, method):
                found.add(f"{method.upper()} {route.removeprefix(API)}")
    return found


def test_every_mutating_address_has_an_action_here() -> None:
    acted = {f"{action.method} {action.route}" for action in ACTIONS if action.route}

    shown = {each for each in _mutating() if not each.split(" ")[1].startswith(_GATEWAY)}
    assert acted | set(EXEMPT) == shown
    assert acted & set(EXEMPT) == set()


@pytest.mark.parametrize("action", ACTIONS, ids=[action.name for action in ACTIONS])
def test_what_was_loaded_plus_what_was_received_is_what_a_fresh_load_shows(
    scene: Scene, people: People, action: Action
) -> None:
    acme = scene.world.acme
    ann, bea = Tab(scene.ann, acme, people.ann), Tab(scene.bea, acme, people.bea)
    twin = ann.twin()

    action.do(scene)

    of_ann, of_bea = ann.fresh(), bea.fresh()
    for tab, times, fresh in ((ann, 1, of_ann), (twin, 2, of_ann), (bea, 1, of_bea)):
        tab.receive(times=times)
        known = set(tab.state.conversations)
        compared = known & tab.loaded if action.arrives_unread else known
        assert tab.state.only(compared) == fresh.only(compared)


def test_a_third_person_hears_nothing(scene: Scene, people: People, browser_of: BrowserOf) -> None:
    globex = scene.world.globex
    stranger = Tab(browser_of(people.gus, globex), globex, people.gus)
    elsewhere = Tab(browser_of(people.bea, globex), globex, people.bea)

    scene.ask("PATCH", "conversations/{shared}", {"title": "Ours"})
    scene.ask("PATCH", "conversations/{filed}", {"title": "Mine"})

    assert stranger.receive() == []
    assert elsewhere.receive() == []


def test_what_one_person_thinks_of_an_answer_is_not_told_to_the_others(
    scene: Scene, people: People
) -> None:
    ann = Tab(scene.ann, scene.world.acme, people.ann)

    scene.ask("PUT", "messages/{answer}/feedback", {"rating": -1, "comment": "wrong"}, by="bea")

    assert [notice["kind"] for notice in ann.receive()] == ["conversation"]
    answer = ann.fresh().messages[scene.names["shared"]][scene.names["answer"]]
    assert answer["feedback"] is None
