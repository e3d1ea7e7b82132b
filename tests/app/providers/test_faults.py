"""What a person sees and what the ledger says when a provider misbehaves, over real HTTP."""

from dataclasses import dataclass

import pytest
from pytest_django.fixtures import Settings

from apps.conversations import orchestrator
from apps.conversations.models.turns import Turn
from apps.core.concurrency import tenant_db
from apps.core.scope import Actor
from apps.providers.models import Call
from apps.providers.testing import write_ledger
from tests.app.providers.conftest import set_up
from tests.factories import send
from tests.fixtures.database import World
from tests.stubs.upstream import SECRET, Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A misbehaviour and what comes of it.

    Attributes:
        state: Of the turn, as people see it.
        error: The code they are told; empty for none.
        said: Whether the answer has words.
        status: Of the ledger's row.
        tries: How often the provider was asked.
        is_estimated: The row's tokens; None where it has none because no model was reached.
    """

    state: str
    error: str
    said: bool
    status: str
    tries: int = 1
    is_estimated: bool | None = None


ANSWERED = Fault(state="completed", error="", said=True, status="ok", is_estimated=False)
GUESSED = Fault(state="completed", error="", said=True, status="ok", is_estimated=True)
CUT = Fault(
    state="interrupted",
    error="provider_interrupted",
    said=True,
    status="provider_interrupted",
    is_estimated=True,
)
AWAY = Fault(
    state="failed", error="provider_unavailable", said=False, status="provider_unavailable"
)
LATE = Fault(state="failed", error="provider_timeout", said=False, status="provider_timeout")
WRONG = Fault(
    state="failed", error="provider_misconfigured", said=False, status="provider_misconfigured"
)

FAULTS: dict[str, Fault] = {
    "plain": ANSWERED,
    "slow": ANSWERED,
    "slow-headers": LATE,
    "hang": LATE,
    "first-rate-limited": Fault(
        state="completed", error="", said=True, status="ok", tries=2, is_estimated=False
    ),
    "rate-limited-long": AWAY,
    "broken": Fault(
        state="failed",
        error="provider_unavailable",
        said=False,
        status="provider_unavailable",
        tries=3,
    ),
    "first-broken": Fault(
        state="completed", error="", said=True, status="ok", tries=2, is_estimated=False
    ),
    "cut-early": Fault(
        state="interrupted",
        error="provider_interrupted",
        said=False,
        status="provider_interrupted",
        tries=3,
    ),
    "cut": CUT,
    "cut-late": Fault(state="completed", error="", said=True, status="ok", is_estimated=True),
    "hang-midway": CUT,
    "no-finish": CUT,
    "garbage": CUT,
    "truncated": CUT,
    "long-line": CUT,
    "huge": CUT,
    "error-event": CUT,
    "no-usage": GUESSED,
    "odd-usage": GUESSED,
    "negative-usage": GUESSED,
    "vast-usage": GUESSED,
    "redirect": WRONG,
    "to-metadata": WRONG,
    "unauthorized": WRONG,
    "no-credit": WRONG,
    "unknown-model": WRONG,
    "refused": Fault(
        state="failed", error="provider_rejected", said=False, status="provider_rejected"
    ),
    "too-long": Fault(
        state="failed", error="context_too_long", said=False, status="context_too_long"
    ),
}


def _turn(actor: Actor, world: World, model: str) -> tuple[Turn, list[Call]]:
    turn_id = send(actor=actor, tenant=world.acme, text="hi there", model=model).turn_id
    orchestrator.run_turn(turn_id=turn_id)
    write_ledger()
    turn = Turn.objects.select_related("answer").get(pk=turn_id)
    return turn, list(Call.objects.filter(turn_id=turn_id).order_by("step"))


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_each_fault_is_told_and_written_down(
    committed: World, ann: Actor, upstream: Upstream, settings: Settings, name: str
) -> None:
    settings.CHAT_FALLBACK = False
    fault = FAULTS[name]
    await tenant_db(set_up, "up", upstream.base_url, name)

    turn, calls = await tenant_db(_turn, ann, committed, f"up/{name}")

    error = turn.error or {}
    assert (turn.state, error.get("type", "")) == (fault.state, fault.error)
    assert bool(turn.answer.text) is fault.said
    assert SECRET not in turn.answer.text + str(error)
    (call,) = calls
    assert (call.status, call.tries) == (fault.status, fault.tries)
    assert (call.flow, call.model, call.provider) == ("chat.answer", f"up/{name}", "up")
    assert (call.tenant_id, call.user_id, call.attempt) == (committed.acme.id, ann.id, 1)
    if fault.is_estimated is None:
        assert call.prompt_tokens is None
        assert call.cost is None
    else:
        assert call.is_estimated is fault.is_estimated
        assert 0 < (call.completion_tokens or 0) < 3_000_000
    assert upstream.calls[name] == fault.tries


BEFORE_THE_FIRST_WORD = sorted(
    name for name, fault in FAULTS.items() if not fault.said and fault.error != "provider_rejected"
)


@pytest.mark.parametrize("name", BEFORE_THE_FIRST_WORD)
async def test_before_the_first_word_another_provider_answers(
    committed: World, ann: Actor, upstream: Upstream, name: str
) -> None:
    if name == "too-long":
        pytest.skip("a prompt that is too long goes elsewhere only by a policy")
    await tenant_db(set_up, "up", upstream.base_url, name)
    await tenant_db(set_up, "backup", upstream.base_url, "plain")

    turn, calls = await tenant_db(_turn, ann, committed, f"up/{name}")

    assert (turn.state, turn.model, turn.level) == ("completed", "backup/plain", 2)
    assert turn.answer.text == "".join(f"word{n} " for n in range(1, 9))
    assert [(call.model, call.status) for call in calls] == [
        (f"up/{name}", FAULTS[name].status),
        ("backup/plain", "ok"),
    ]
    assert calls[1].completion_tokens == 8


async def test_after_the_first_word_nothing_of_another_model_is_joined(
    committed: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "cut")
    await tenant_db(set_up, "backup", upstream.base_url, "plain")

    turn, calls = await tenant_db(_turn, ann, committed, "up/cut")

    assert (turn.state, turn.answer.text) == ("interrupted", "word1 word2 ")
    assert [call.model for call in calls] == ["up/cut"]


async def test_a_workspaces_own_provider_never_reaches_a_private_address(
    committed: World, ann: Actor, upstream: Upstream, settings: Settings
) -> None:
    settings.CHAT_FALLBACK = False
    await tenant_db(set_up, "mine", upstream.base_url, "plain", tenant=committed.acme)

    turn, (call,) = await tenant_db(_turn, ann, committed, "mine/plain")

    assert (turn.state, call.status) == ("failed", "provider_misconfigured")
    assert not upstream.calls
