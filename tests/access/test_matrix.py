"""Every address against every credential: 401 or log in, 404, 403, success."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from apps.accounts import services as accounts
from apps.accounts.models.roles import Role
from apps.accounts.permissions import CHAT_USER, MEMORY_AUDIT, MEMORY_WRITE, OWNER
from apps.conversations import hub, services as conversations
from apps.conversations.contracts import Audience, PersonaFields
from apps.conversations.models.conversations import Participant
from apps.conversations.services import folders, personas, sharing, transfer
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services as memory
from apps.providers.models import Provider
from apps.providers.permissions import EDIT_PROMPTS
from apps.providers.services import (
    PolicyFields,
    ProviderFields,
    evaluations,
    experiments,
    prompts,
    providers,
    routing_policies,
)
from tests.access.matrix import EXPORTED, ROWS, SOCKETS, Access, Host, Row, SocketRow
from tests.access.routes import routes_of
from tests.app.providers.money import make_budget
from tests.factories import ready_attachment, send
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]

_ELSEWHERE = "203.0.113.9"  # not loopback, which may read the metrics

_PERMISSIONS = [row for row in ROWS if row.demands not in set(Access)]
_CLOSED = [row for row in ROWS if row.demands != Access.OPEN]


def _each(rows: list[Row] | tuple[Row, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the placeholders of the matrix stand for; all of it belongs to acme's owner."""

    world: World
    names: Mapping[str, object]

    def host(self, row: Row) -> str:
        return "localhost" if row.host == Host.PLATFORM else "acme.localhost"

    def tenant(self, row: Row) -> TenantRef | None:
        return None if row.host == Host.PLATFORM else self.world.acme

    def ask(self, client: Client, row: Row) -> Any:
        answer: Any = client.generic(
            row.method,
            row.address.format(**self.names),
            data=self._filled(json.dumps(row.body)) if row.method != "GET" else "",
            content_type="application/json",
            REMOTE_ADDR=_ELSEWHERE,
        )
        if answer.streaming:
            answer.close()
        return answer

    def _filled(self, body: str) -> str:
        for name, value in self.names.items():
            body = body.replace("{" + name + "}", str(value))
        return body


@pytest.fixture
def auditors(committed: World) -> Iterator[None]:
    """Owners hold every permission here, `memory.audit` too, which no role has by itself."""
    owners = Role.objects.filter(code=OWNER, tenant=None)
    [before] = owners.values_list("permissions", flat=True)
    owners.update(permissions=[*before, MEMORY_AUDIT])
    yield
    owners.update(permissions=before)


@pytest.fixture
def scene(committed: World, people: People, actor_in: ActorIn, auditors: None) -> Scene:
    ann = actor_in(people.ann, committed.acme)
    turn = send(actor=ann, tenant=committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        idle = conversations.start_conversation(actor=ann, permission=CHAT_USER)
        things = _things_of(ann, turn.conversation_id, turn.message_id)
        key = accounts.create_api_key(actor=ann, name="matrix").key
        ended = send(actor=ann, tenant=committed.acme).turn_id
        hub.stop_turn(actor=ann, turn_id=ended)
        answer_id = hub.open_turn(actor=ann, turn_id=turn.turn_id).answer_id
        finished_id = hub.open_turn(actor=ann, turn_id=ended).answer_id
        trials = _trials_of(ann)
        remembered = _memories_of(ann)
    names = {
        **trials,
        **remembered,
        "owner": people.ann,
        **things,
        "colleague": people.bea,
        "idle": idle.id,
        "conversation": turn.conversation_id,
        "turn": turn.turn_id,
        "ended": ended,
        "message": turn.message_id,
        "answer": answer_id,
        "finished": finished_id,
        "attachment": ready_attachment(owner_id=people.ann, tenant=committed.acme),
        "acme": committed.acme.id,
        "budget": make_budget(committed.acme, amount=1000).pk,
        "key": key.id,
    }
    return Scene(world=committed, names=names)


def _memories_of(ann: Actor) -> dict[str, object]:
    """Two memories of acme's owner, and a change that can be undone."""
    coffee, tea, juice, water = (
        memory.remember(actor=ann, permission=MEMORY_WRITE, text=text).memory.id
        for text in ("coffee", "tea time", "juice", "water")
    )
    merged = memory.merge_memories(
        actor=ann, permission=MEMORY_WRITE, into=juice, source_ids=[water]
    )
    return {"memory": coffee, "second_memory": tea, "change": merged.changeset.id}


def _trials_of(ann: Actor) -> dict[str, object]:
    """An evaluation and an experiment of a prompt that belong to acme."""
    title, may = "conversation.title", EDIT_PROMPTS
    kept = evaluations.save_evaluation_set(
        actor=ann,
        permission=may,
        prompt=title,
        name="set",
        cases=[{"assertions": [{"kind": "contains", "value": "x"}]}],
    )
    run = evaluations.start_evaluation(
        actor=ann, permission=may, set_id=kept.id, number=0, model="echo/plain"
    )
    made = prompts.create_prompt_version(
        actor=ann,
        permission=may,
        name=title,
        draft={"messages": [{"role": "user", "text": "x"}]},
    )
    experiment = experiments.start_experiment(
        actor=ann, permission=may, name=title, version=made.number, share=50
    )
    return {"evaluation": kept.id, "run": run.id, "experiment": experiment.id}


def _things_of(ann: Actor, conversation_id: UUID, message_id: UUID) -> dict[str, object]:
    """What else belongs to acme's owner: a folder, a share, a persona, an import, a member."""
    folder = folders.create_folder(actor=ann, permission=CHAT_USER, name="Folder")
    share = sharing.share_conversation(
        actor=ann,
        permission=CHAT_USER,
        conversation_id=conversation_id,
        audience=Audience.LINK,
        message_id=message_id,
    )
    persona = personas.create_persona(
        actor=ann, permission=CHAT_USER, fields=PersonaFields(name="Mine")
    )
    taken_in = transfer.start_import(
        actor=ann, permission=CHAT_USER, content=json.dumps(EXPORTED).encode()
    )
    common = conversations.start_conversation(actor=ann, permission=CHAT_USER)
    assert ann.id is not None
    provider = providers.create_provider(
        actor=ann,
        fields=ProviderFields(slug="mine", base_url="https://api.example.com/v1"),
        models=("plain",),
    )
    # No service sets up an address that is never contacted; nothing else works offline.
    Provider.objects.filter(pk=provider.id).update(base_url="http://127.0.0.1:9/v1")
    policy = routing_policies.create_routing_policy(actor=ann, fields=PolicyFields(name="mine"))
    member = Participant.objects.create(  # somebody whose account is not a person of the tests
        conversation_id=common.id, user_id=new_id(), added_by=ann.id
    )
    return {
        "folder": folder.id,
        "share": share.id,
        "persona": persona.slug,
        "import": taken_in.id,
        "common": common.id,
        "provider": provider.id,
        "provided": provider.models[0].id,
        "policy": policy.id,
        "member": member.user_id,
    }


@pytest.fixture
def operator(committed: World) -> Iterator[UUID]:
    user = get_user_model().objects.create_superuser(email="op@karen.example", password=PASSWORD)
    yield UUID(str(user.pk))
    user.delete()


def assert_sent_to_log_in(answer: Any, row: Row) -> None:
    if row.hidden:
        assert answer.status_code == 404
    elif row.is_api:
        assert answer.status_code == 401
        assert b'"not_authenticated"' in answer.content
        assert answer.headers["WWW-Authenticate"]
    else:
        assert answer.status_code == 302
        assert "login/" in answer.headers["Location"]


@pytest.mark.parametrize("host", list(Host))
def test_every_route_has_a_row_and_every_row_a_route(host: Host) -> None:
    served = {"admin/" if route.startswith("admin/") else route for route in routes_of(host.value)}

    assert {row.route for row in ROWS if row.host == host} == served


def test_every_socket_has_a_row_and_every_row_a_socket() -> None:
    from karen_site.routing import websocket_urlpatterns

    assert {row.route for row in SOCKETS} == {str(p.pattern) for p in websocket_urlpatterns}


@_each(ROWS)
def test_a_stranger_gets_what_is_open_and_nothing_else(scene: Scene, row: Row) -> None:
    answer = scene.ask(Client(HTTP_HOST=scene.host(row)), row)

    if row.demands == Access.OPEN:
        assert answer.status_code in row.success
    else:
        assert_sent_to_log_in(answer, row)


@_each([row for row in _CLOSED if row.host == Host.WORKSPACE])
def test_a_session_of_another_workspace_is_no_session_here(
    scene: Scene, people: People, browser_of: BrowserOf, row: Row
) -> None:
    thief = Client(HTTP_HOST=scene.host(row))
    name = settings.SESSION_COOKIE_NAME
    thief.cookies[name] = browser_of(people.gus, scene.world.globex).cookies[name].value

    assert_sent_to_log_in(scene.ask(thief, row), row)


@_each(_PERMISSIONS)
def test_a_member_without_the_permission_is_told_so(
    scene: Scene, people: People, browser_of: BrowserOf, row: Row
) -> None:
    answer = scene.ask(browser_of(people.eve, scene.world.acme), row)

    assert answer.status_code == 403
    if row.is_api:
        assert row.demands.encode() in answer.content


@_each([row for row in _PERMISSIONS if row.has_object])
def test_an_object_of_another_workspace_does_not_exist(
    scene: Scene, people: People, browser_of: BrowserOf, row: Row
) -> None:
    assert scene.ask(browser_of(people.gus, scene.world.globex), row).status_code == 404


@_each([row for row in _PERMISSIONS if row.has_object and not row.shared])
def test_an_object_of_a_colleague_does_not_exist(
    scene: Scene, people: People, browser_of: BrowserOf, row: Row
) -> None:
    assert scene.ask(browser_of(people.bea, scene.world.acme), row).status_code == 404


@_each([row for row in ROWS if row.demands == Access.OPERATOR])
def test_only_operators_get_what_is_theirs(
    scene: Scene, people: People, operator: UUID, browser_of: BrowserOf, row: Row
) -> None:
    person = browser_of(people.ann, None)
    refused = scene.ask(person, row)
    if refused.status_code == 302:
        refused = person.get(refused.headers["Location"])

    assert refused.status_code == 404
    assert scene.ask(browser_of(operator, None), row).status_code in row.success


@_each([row for row in _CLOSED if row.demands != Access.OPERATOR])
def test_whoever_has_the_permission_succeeds(
    scene: Scene, people: People, browser_of: BrowserOf, row: Row
) -> None:
    answer = scene.ask(browser_of(people.ann, scene.tenant(row)), row)

    assert answer.status_code in row.success
    assert "login/" not in answer.headers.get("Location", "")


async def _closed_with(row: SocketRow, tenant: TenantRef, cookie: str | None) -> int | None:
    """Return the code with which the socket was closed, or None when it welcomed us."""
    from karen_site.asgi import application

    host = f"{tenant.slug}.localhost"
    headers = [(b"host", host.encode()), (b"origin", f"http://{host}".encode())]
    if cookie is not None:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    socket = WebsocketCommunicator(application, f"/{row.route}", headers=headers)
    accepted, code = await socket.connect(timeout=5)
    if not accepted:
        return int(code or 0)
    first = await socket.receive_output(timeout=5)
    await socket.disconnect()
    return int(first["code"]) if first["type"] == "websocket.close" else None


@pytest.mark.parametrize("row", SOCKETS, ids=[row.route for row in SOCKETS])
async def test_a_socket_opens_only_for_members_with_the_permission(
    committed: World, people: People, browser_of: BrowserOf, row: SocketRow
) -> None:
    def cookie(user_id: UUID, tenant: TenantRef) -> str:
        return browser_of(user_id, tenant).cookies[settings.SESSION_COOKIE_NAME].value

    acme, globex = committed.acme, committed.globex
    own = await platform_db(cookie, people.ann, acme)
    foreign = await platform_db(cookie, people.gus, globex)
    powerless = await platform_db(cookie, people.eve, acme)

    assert await _closed_with(row, acme, None) == 4401
    assert await _closed_with(row, acme, foreign) == 4401
    assert await _closed_with(row, acme, powerless) == 4401
    assert await _closed_with(row, acme, own) is None
