"""Conversations that a person marks as sensitive: nothing of them reaches a model nobody trusts.

Two providers stand before one real HTTP server: `cloud`, which nobody trusts, with the models
`plain` and `agent`, and `house`, which an operator trusts, with `plain-4`.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from pytest_django.fixtures import Settings

from apps.accounts.permissions import MEMORY_WRITE
from apps.conversations import chat_tools, degradation, orchestrator, summaries, titles
from apps.conversations.attachments import summaries as file_summaries
from apps.conversations.contracts import TurnSettings
from apps.conversations.models.attachments import Attachment
from apps.conversations.models.turns import Turn
from apps.conversations.search import indexing, upkeep
from apps.conversations.search.meaning import forget_old_models
from apps.core import scope
from apps.core.concurrency import run_async
from apps.core.scope import TenantRef
from apps.memory import services as memory
from apps.providers import configuration, registry, selectors as providers
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.adapters.openai_embed import OpenAIEmbedAdapter
from apps.providers.models import Provider, RoutingPolicy
from apps.providers.vectors import known_vectors
from tests.app.conversations.features import Person
from tests.app.conversations.search_scene import told
from tests.app.providers.conftest import set_up
from tests.factories import ready_attachment
from tests.fixtures.database import World
from tests.fixtures.scribe import MODEL as SCRIBE, Scribe
from tests.stubs.embeddings import EmbeddingsStub
from tests.stubs.upstream import Upstream

CLOUD, HOUSE = "cloud/plain", "house/plain-4"
MARKED = {"sensitive": True}
MAIL = "bea@example.org"


@pytest.fixture
def upstream(committed: World, settings: Settings) -> Iterator[Upstream]:
    settings.LOCAL_MODEL = False
    made: list[OpenAICompatibleAdapter] = []
    before = registry.wire("openai_compatible")
    assert before is not None

    def build(endpoint: registry.Endpoint) -> OpenAICompatibleAdapter:
        made.append(OpenAICompatibleAdapter(endpoint))
        return made[-1]

    registry.register_wire("openai_compatible", build)
    degradation.outages.forget()
    server = Upstream()
    address = run_async(server.start())
    set_up("cloud", address, "plain", "agent")
    trust(set_up("house", address, "plain-4"))
    yield server
    for adapter in made:
        run_async(adapter.aclose())
    run_async(server.stop())
    registry.register_wire("openai_compatible", before)
    degradation.outages.forget()


def trust(provider: Provider, *, trusted: bool = True) -> None:
    Provider.objects.filter(pk=provider.pk).update(is_trusted=trusted)
    configuration.forget()


def asked(upstream: Upstream) -> list[str]:
    """Return the models that were asked, in order."""
    return [body["model"] for body in upstream.bodies]


def run(receipt: Any, tenant: TenantRef) -> Turn:
    with scope.tenant_scope(tenant), scope.correlation_scope():
        orchestrator.run_turn(turn_id=UUID(receipt["turn_id"]))
        return Turn.objects.select_related("answer").get(pk=receipt["turn_id"])


def mark(person: Person, conversation_id: object, *, sensitive: bool = True) -> Any:
    return person.ask("PATCH", f"conversations/{conversation_id}", {"sensitive": sensitive})


# -- the mark


def test_a_conversation_is_not_sensitive_until_somebody_says_so(owner: Person) -> None:
    here = owner.say("hello")["conversation_id"]
    assert owner.ask("GET", f"conversations/{here}")["sensitive"] is False

    version = owner.ask("GET", f"conversations/{here}")["version"]
    marked = mark(owner, here)
    assert marked["sensitive"] is True
    assert marked["version"] > version
    assert mark(owner, here)["sensitive"] is True  # twice is once
    assert mark(owner, here, sensitive=False)["sensitive"] is False


@pytest.mark.parametrize("value", ["maybe", None, 7, []])
def test_a_mark_is_yes_or_no(owner: Person, value: object) -> None:
    here = owner.say("hello")["conversation_id"]
    owner.refused("PATCH", f"conversations/{here}", {"sensitive": value}, status=400)
    assert owner.ask("GET", f"conversations/{here}")["sensitive"] is False


def test_a_member_without_further_permissions_may_mark_and_strangers_may_not(
    owner: Person, member: Person, outsider: Person
) -> None:
    own = member.say("hello")["conversation_id"]
    assert mark(member, own)["sensitive"] is True

    theirs = owner.say("hello")["conversation_id"]
    for stranger in (member, outsider):
        stranger.refused("PATCH", f"conversations/{theirs}", MARKED, status=404)
    assert owner.ask("GET", f"conversations/{theirs}")["sensitive"] is False


def test_a_copy_of_a_marked_conversation_is_marked(owner: Person, upstream: Upstream) -> None:
    receipt = owner.say("hello", model=None, options=MARKED)
    run(receipt, owner.world.acme)
    path = f"conversations/{receipt['conversation_id']}/fork"
    copy = owner.ask("POST", path, {"message_id": receipt["message_id"]}, status=201)
    assert copy["sensitive"] is True


def test_settings_that_were_stored_before_there_were_marks_are_read() -> None:
    old = TurnSettings.model_validate({"mode": "default", "memory_enabled": True})
    assert not old.is_sensitive


# -- who answers


def test_a_marked_conversation_is_answered_by_a_trusted_model(
    owner: Person, upstream: Upstream
) -> None:
    acme = owner.world.acme
    open_turn = run(owner.say("hello", model=None), acme)
    turn = run(owner.say("hello", model=None, options=MARKED), acme)

    assert (open_turn.model, turn.model) == (CLOUD, HOUSE)  # the mark makes the difference
    assert turn.state == "completed"
    assert asked(upstream) == ["plain", "plain-4"]


def test_a_model_that_nobody_trusts_is_refused_when_the_message_is_sent(
    owner: Person, upstream: Upstream
) -> None:
    here = owner.say("hello", model=HOUSE, options=MARKED)["conversation_id"]
    path = f"conversations/{here}/messages"

    for wanted in ({"model": CLOUD}, {"models": [HOUSE, CLOUD]}):
        body = {"text": "and now?", "client_message_id": json.dumps(wanted), **wanted}
        error = owner.refused("POST", path, body, status=422)
        assert error["type"] == "route_refused"
        assert "not trusted" in error["message"]
    assert len(owner.messages(here)) == 2  # neither question nor answer was kept
    owner.say("and now?", here, model=HOUSE, delivery="queue")


def test_the_model_of_the_conversation_is_refused_as_one_that_was_named(
    owner: Person, upstream: Upstream
) -> None:
    here = owner.say("hello", model=HOUSE, options={"model": CLOUD})["conversation_id"]
    mark(owner, here)
    body = {"text": "and now?", "client_message_id": "c1", "delivery": "queue"}
    path = f"conversations/{here}/messages"
    assert owner.refused("POST", path, body, status=422)["type"] == "route_refused"
    gauge = owner.ask("GET", f"conversations/{here}/gauge")
    assert gauge["model"] == ""  # nobody may answer next


def test_what_a_persona_prefers_gives_way(owner: Person, upstream: Upstream) -> None:
    fields = {"name": "Cloudy", "instruction": "Be brief.", "model": CLOUD}
    owner.ask("POST", "personas", fields, status=201)
    options = {"persona": "cloudy"}
    assert run(owner.say("hi", model=None, options=options), owner.world.acme).model == CLOUD
    marked = owner.say("hi", model=None, options={**options, **MARKED})
    assert run(marked, owner.world.acme).model == HOUSE


def test_a_mark_holds_for_a_message_that_waits_already(owner: Person, upstream: Upstream) -> None:
    receipt = owner.say("a secret", model=CLOUD)
    mark(owner, receipt["conversation_id"])

    turn = run(receipt, owner.world.acme)

    assert (turn.state, turn.model) == ("completed", HOUSE)
    assert asked(upstream) == ["plain-4"]


def test_taking_the_mark_away_frees_nothing_that_was_sent_under_it(
    owner: Person, upstream: Upstream
) -> None:
    receipt = owner.say("a secret", model=None, options=MARKED)
    mark(owner, receipt["conversation_id"], sensitive=False)
    trust(Provider.objects.get(slug="house"), trusted=False)

    turn = run(receipt, owner.world.acme)

    assert upstream.bodies == []
    assert turn.level == degradation.NO_MODEL


def test_no_other_model_steps_in_that_nobody_trusts(owner: Person, upstream: Upstream) -> None:
    trust(set_up("own", upstream.base_url, "unauthorized"))
    Provider.objects.filter(slug="house").delete()
    configuration.forget()

    in_the_open = run(owner.say("hi", model="own/unauthorized"), owner.world.acme)
    assert in_the_open.model == CLOUD
    before = len(upstream.bodies)
    marked = run(owner.say("hi", model="own/unauthorized", options=MARKED), owner.world.acme)

    assert set(asked(upstream)[before:]) <= {"unauthorized"}
    assert marked.level == degradation.NO_MODEL


def test_without_replacements_the_turn_fails_rather_than_leaves(
    owner: Person, upstream: Upstream, settings: Settings
) -> None:
    settings.CHAT_FALLBACK = False
    receipt = owner.say("a secret", model=CLOUD)
    mark(owner, receipt["conversation_id"])
    turn = run(receipt, owner.world.acme)
    assert turn.state == "failed"
    assert turn.error is not None
    assert turn.error["type"] == "route_refused"
    assert upstream.bodies == []


def test_another_answer_in_a_marked_conversation_is_a_trusted_models(
    owner: Person, upstream: Upstream
) -> None:
    receipt = owner.say("hello", model=CLOUD)
    run(receipt, owner.world.acme)
    mark(owner, receipt["conversation_id"])
    path = f"messages/{receipt['message_id']}/regenerate"

    refused = owner.refused("POST", path, {"client_message_id": "a", "model": CLOUD}, status=422)
    assert refused["type"] == "route_refused"
    again = owner.ask("POST", path, {"client_message_id": "b"}, status=202)

    assert run(again, owner.world.acme).model == HOUSE
    assert asked(upstream) == ["plain", "plain-4"]


def test_a_mark_in_one_workspace_says_nothing_in_another(
    owner: Person, outsider: Person, upstream: Upstream
) -> None:
    run(owner.say("hello", model=None, options=MARKED), owner.world.acme)
    run(outsider.say("hello", model=None), owner.world.globex)
    assert asked(upstream) == ["plain-4", "plain"]


# -- what follows an answer


def test_no_title_is_written_by_a_model_that_nobody_trusts(
    owner: Person, upstream: Upstream
) -> None:
    receipt = owner.say("hello", model=CLOUD)
    run(receipt, owner.world.acme)
    before = len(upstream.bodies)

    with scope.tenant_scope(owner.world.acme), scope.correlation_scope():
        mark(owner, receipt["conversation_id"])
        assert not titles.write_title(turn_id=UUID(receipt["turn_id"]))
        assert len(upstream.bodies) == before
        mark(owner, receipt["conversation_id"], sensitive=False)
        titles.write_title(turn_id=UUID(receipt["turn_id"]))
    assert len(upstream.bodies) == before + 1


def test_no_summary_is_written_by_a_model_that_nobody_trusts(
    owner: Person, scribe: Scribe, settings: Settings
) -> None:
    settings.CHAT_MAX_TOKENS, settings.CHAT_MESSAGES_PER_MINUTE = 40, 1_000
    here = owner.say("begin", model="echo/plain")["conversation_id"]
    for number in range(6):
        text = f"message {number} " + "x " * 50
        receipt = owner.say(text, here, model=SCRIBE, delivery="queue")
        leaf = run(receipt, owner.world.acme).answer_id

    with scope.tenant_scope(owner.world.acme), scope.correlation_scope():
        mark(owner, here)
        assert summaries.summarise_branch(message_id=leaf, model_id=SCRIBE) == 0
        assert scribe.summarised == []
        mark(owner, here, sensitive=False)
        assert summaries.summarise_branch(message_id=leaf, model_id=SCRIBE) > 0


def test_files_of_a_marked_conversation_are_summarised_by_trusted_models(
    owner: Person, member: Person, upstream: Upstream
) -> None:
    acme = owner.world.acme
    here = owner.say("hello", model=HOUSE, options=MARKED)["conversation_id"]
    elsewhere = owner.say("hello", model=HOUSE)["conversation_id"]
    ways = (
        (owner, here, "plain-4"),
        (owner, elsewhere, "plain"),
        (owner, None, "plain-4"),  # not sent yet: it may belong to the marked one
        (member, None, "plain"),  # she has marked nothing
    )
    for number, (person, conversation_id, expected) in enumerate(ways):
        file = ready_attachment(owner_id=person.id, tenant=acme, body=f"words {number}".encode())
        with scope.tenant_scope(acme), scope.correlation_scope():
            Attachment.objects.filter(pk=file).update(conversation_id=conversation_id)
            file_summaries.summarise(attachment_id=file)
            assert Attachment.objects.get(pk=file).summary
        assert asked(upstream)[-1] == expected, (number, asked(upstream))


def test_a_file_that_no_trusted_model_can_read_has_no_summary(
    owner: Person, upstream: Upstream
) -> None:
    Provider.objects.filter(slug="house").delete()
    configuration.forget()
    acme = owner.world.acme
    here = owner.say("hello")["conversation_id"]
    mark(owner, here)
    file = ready_attachment(owner_id=owner.id, tenant=acme)
    with scope.tenant_scope(acme), scope.correlation_scope():
        Attachment.objects.filter(pk=file).update(conversation_id=here)
        file_summaries.summarise(attachment_id=file)
        row = Attachment.objects.get(pk=file)
    assert (row.summary, row.meta["summary_skipped"]) == ("", "route_refused")
    assert upstream.bodies == []


# -- other conversations


def test_what_was_said_under_a_mark_is_put_before_no_model_elsewhere_that_nobody_trusts(
    owner: Person, upstream: Upstream
) -> None:
    acme = owner.world.acme
    secret = owner.say("The heron code is zebra four", model=HOUSE)
    run(secret, acme)
    with scope.tenant_scope(acme), scope.correlation_scope():
        indexing.index_conversation(conversation_id=UUID(secret["conversation_id"]))

    def reads(model: str, **options: object) -> bool:
        run(owner.say("heron zebra", model=model, options=options), acme)
        return "zebra four" in json.dumps(upstream.bodies[-1])

    def found() -> int:
        with scope.tenant_scope(acme), scope.correlation_scope():
            return len(chat_tools.find_by_search(owner.actor, "heron zebra", 5))

    assert reads(CLOUD)
    assert found()
    mark(owner, secret["conversation_id"])
    assert not reads(CLOUD)
    assert not found()
    assert reads(HOUSE, sensitive=True)


# -- vectors


@pytest.fixture
def remote_embedder(upstream: Upstream, settings: Settings) -> Iterator[EmbeddingsStub]:
    settings.EMBEDDING_CACHE_S = 0
    settings.OPENAI_API_KEY = "sk-test"
    settings.OPENAI_BASE_URL = upstream.base_url
    settings.EMBEDDING_MODEL = "openai/embed"
    known_vectors.clear()
    forget_old_models()
    yield upstream.embeddings
    for adapter in registry._embedding_adapters.values():
        if isinstance(adapter, OpenAIEmbedAdapter):
            run_async(adapter.aclose())
    known_vectors.clear()
    forget_old_models()


def test_messages_under_a_mark_go_to_no_embedding_model_elsewhere(
    owner: Person, remote_embedder: EmbeddingsStub
) -> None:
    acme = owner.world.acme
    here, _ids = told(acme, owner.id, "a secret heron", "aha")
    told(acme, owner.id, "an open ibis", "oho")
    mark(owner, here)

    with scope.tenant_scope(acme), scope.correlation_scope():
        assert indexing.embed_waiting() == 2
        assert upkeep.count_by_model() == {"openai/embed": 2}  # and none is waited for
        sent = json.dumps(remote_embedder.bodies)
        assert "ibis" in sent
        assert "heron" not in sent
        mark(owner, here, sensitive=False)
        assert indexing.embed_waiting() == 2
    assert "heron" in json.dumps(remote_embedder.bodies)


def test_no_question_under_a_mark_goes_to_an_embedding_model_elsewhere(
    owner: Person, remote_embedder: EmbeddingsStub, upstream: Upstream
) -> None:
    acme = owner.world.acme
    trust(set_up("own", upstream.base_url, "agent"))
    told(acme, owner.id, "an open ibis", "oho")
    with scope.tenant_scope(acme), scope.actor_scope(owner.actor), scope.correlation_scope():
        memory.remember(actor=owner.actor, permission=MEMORY_WRITE, text="Ann likes herons")
    calls = [
        f"call {name} {json.dumps({'query': 'heron'})}"
        for name in (chat_tools.SEARCH_MEMORY, chat_tools.SEARCH_CONVERSATIONS)
    ]
    text = "\n".join(["which heron", *calls])

    marked = run(owner.say(text, model="own/agent", options=MARKED), acme)
    assert marked.state == "completed"
    assert "Ann likes herons" in json.dumps(upstream.bodies[0])  # words still find it
    assert remote_embedder.bodies == []

    run(owner.say(text, model="own/agent"), acme)
    assert "heron" in json.dumps(remote_embedder.bodies)


def test_nothing_is_looked_up_elsewhere_when_no_model_answers_under_a_mark(
    owner: Person, remote_embedder: EmbeddingsStub, upstream: Upstream
) -> None:
    acme = owner.world.acme
    trust(set_up("own", upstream.base_url, "unauthorized"))
    Provider.objects.filter(slug="house").delete()
    configuration.forget()
    told(acme, owner.id, "an open ibis", "oho")
    turn = run(owner.say("which ibis", model="own/unauthorized", options=MARKED), acme)
    assert turn.level == degradation.NO_MODEL
    assert remote_embedder.bodies == []


# -- sensitive without a mark


@pytest.fixture
def rules(committed: World, upstream: Upstream) -> None:
    """In acme: what is sensitive stays on trusted models, the rest goes to the cloud."""
    RoutingPolicy.objects.create(
        tenant_id=committed.acme.id,
        name="private",
        position=1,
        conditions={"sensitive": True},
        routes={"local_only": True},
    )
    RoutingPolicy.objects.create(
        tenant_id=committed.acme.id,
        name="the rest",
        position=2,
        routes={"targets": [{"model": "cloud/*"}]},
    )
    configuration.forget()


def test_rules_route_what_holds_personal_data_to_trusted_models(
    owner: Person, outsider: Person, upstream: Upstream, rules: None
) -> None:
    acme = owner.world.acme
    assert run(owner.say("What is a heron?", model=None), acme).model == CLOUD
    mail = owner.say(f"Write to {MAIL}", model=None)
    assert run(mail, acme).model == HOUSE
    following = owner.say("thanks", mail["conversation_id"], model=None)
    assert run(following, acme).model == HOUSE  # the address is part of this prompt, too
    assert MAIL not in json.dumps([body for body in upstream.bodies if body["model"] == "plain"])

    # Nobody has rules there.
    assert run(outsider.say(f"Write to {MAIL}", model=None), owner.world.globex).model == CLOUD


def test_rules_refuse_a_model_that_was_named_for_personal_data(
    owner: Person, upstream: Upstream, rules: None
) -> None:
    assert run(owner.say("What is a heron?", model=CLOUD), owner.world.acme).model == CLOUD
    body = {"text": f"Write to {MAIL}", "client_message_id": "m", "model": CLOUD}
    assert owner.refused("POST", "turns", body, status=422)["type"] == "route_refused"


def test_a_model_that_is_away_is_not_replaced_by_one_that_rules_exclude(
    owner: Person, upstream: Upstream, rules: None
) -> None:
    receipt = owner.say(f"Write to {MAIL}", model=None)
    trust(Provider.objects.get(slug="house"), trusted=False)
    turn = run(receipt, owner.world.acme)
    assert (turn.level, upstream.bodies) == (degradation.NO_MODEL, [])


def test_texts_are_not_read_where_no_rule_goes_by_what_they_hold(
    owner: Person, upstream: Upstream
) -> None:
    with scope.tenant_scope(owner.world.acme):
        assert not providers.is_personal(f"Write to {MAIL}")
        RoutingPolicy.objects.create(
            tenant_id=owner.world.acme.id, name="all", routes={"targets": [{"model": "cloud/*"}]}
        )
        configuration.forget()
        assert not providers.is_personal(f"Write to {MAIL}")
        RoutingPolicy.objects.update(conditions={"sensitive": False})
        configuration.forget()
        assert providers.is_personal(f"Write to {MAIL}")
        assert not providers.is_personal("")
    with scope.tenant_scope(owner.world.globex):
        assert not providers.is_personal(f"Write to {MAIL}")
