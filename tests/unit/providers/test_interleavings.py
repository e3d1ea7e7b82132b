"""No conversation sees another's tokens, whatever the order in which they are served.

The model is `tests.stubs.toy_model`: what it says follows from exactly the tokens in its sequence's
cache. Each conversation's prompts carry a secret word; an answer must be the one that the prompt
alone gives, which it cannot be after any crossing.
"""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import settings as hypothesis_settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    ModelRequest,
    Role,
    TextDelta,
    UsageReport,
)
from apps.providers.domain.sampling import Sampling
from apps.providers.domain.slots import SlotTable
from apps.providers.engine.rounds import Job, Outcome, Rounds
from tests.stubs.toy_model import ToyModel, answer_to

SLOTS = 3
GREEDY = Sampling(temperature=0.0)


@dataclass(eq=False)
class Talk:
    """One conversation of one tenant: its history, and the question that is being answered."""

    partition: str
    secret: str
    history: list[ChatMessage] = field(default_factory=list)
    job: Job | None = None
    events: list[Outcome] = field(default_factory=list)

    def ask(self, text: str, *, max_tokens: int) -> Job:
        self.history.append(ChatMessage(role=Role.USER, text=f"{self.secret}{text}"))
        self.events = []
        request = ModelRequest(
            model="local/toy",
            messages=tuple(self.history),
            max_tokens=max_tokens,
            temperature=0.0,
            partition=self.partition,
        )
        self.job = Job(request, GREEDY, self._take)
        return self.job

    def _take(self, outcome: Outcome) -> bool:
        self.events.append(outcome)
        return True

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Finished)

    def check(self, model: ToyModel) -> None:
        """Compare a finished answer with what its prompt alone gives, and keep it as history."""
        assert self.job is not None
        limit = self.job.request.max_tokens
        expected = answer_to(self.job.prompt, max_tokens=limit)
        said = "".join(event.text for event in self.events if isinstance(event, TextDelta))
        assert said == "".join(model.piece(token).decode() for token in expected)
        reason = FinishReason.LENGTH if len(expected) == limit else FinishReason.STOP
        assert self.events[-1] == Finished(reason=reason)
        (report,) = [event for event in self.events if isinstance(event, UsageReport)]
        assert report.usage.prompt_tokens == len(self.job.prompt)
        self.history.append(ChatMessage(role=Role.ASSISTANT, text=said))
        self.job = None


class Bench:
    """The engine's rounds on a toy model, and the conversations that use it."""

    def __init__(self, model: ToyModel) -> None:
        self.model = model
        self.table = SlotTable(SLOTS)
        self.rounds = Rounds(model, self.table)
        self.talks = [
            Talk(partition=f"{tenant}:{number}", secret=secret)
            for tenant, number, secret in (
                ("acme", 1, "tangerine"),
                ("acme", 2, "walrus"),
                ("globex", 1, "tangerine"),  # the same word, yet not the same conversation
                ("globex", 2, "obelisk"),
                ("", 0, "nobody"),  # no partition: nothing is ever reused
            )
        ]

    def ask(self, talk: Talk, text: str, *, max_tokens: int) -> None:
        owners = {slot.index: slot.partition for slot in self.table.slots if not slot.busy}
        self.rounds.admit(talk.ask(text, max_tokens=max_tokens))
        (taken,) = [slot for slot in self.table.slots if slot.busy and slot.index in owners]
        if not talk.partition or owners[taken.index] != talk.partition:
            assert not self.model.cache.get(taken.index), "something of another was kept"

    def step(self) -> None:
        self.rounds.step()
        for talk in self.talks:
            if talk.job is not None and talk.ended:
                talk.check(self.model)

    def cancel(self, talk: Talk) -> None:
        assert talk.job is not None
        talk.job.cancelled = True
        talk.history.pop()
        talk.job = None

    def finish(self) -> None:
        while self.rounds.running:
            self.step()
        assert all(talk.job is None for talk in self.talks)
        assert not self.model.open_samplers
        assert not any(slot.busy for slot in self.table.slots)

    def check_cache(self) -> None:
        for slot in self.table.slots:
            assert self.model.cache.get(slot.index, []) == slot.tokens


def interleave(chance: random.Random) -> int:
    """Serve a few conversations in a random order; return how many answers were whole."""
    model = ToyModel(
        batch_tokens=chance.choice([4, 16, 256]),
        whole_only=chance.random() < 0.1,
    )
    bench = Bench(model)
    answered = 0
    for _ in range(chance.randrange(8, 30)):
        idle = [talk for talk in bench.talks if talk.job is None]
        running = [talk for talk in bench.talks if talk.job is not None]
        act = chance.random()
        if act < 0.35 and idle and bench.rounds.has_room:
            talk = chance.choice(idle)
            if chance.random() < 0.2:
                talk.history.clear()  # edited from the beginning: the old prefix is worth nothing
            text = "x" * chance.randrange(6)
            bench.ask(talk, text, max_tokens=chance.choice([1, 3, 9]))
            answered += 1
        elif act < 0.42 and running:
            bench.cancel(chance.choice(running))
            answered -= 1
        else:
            bench.step()
    bench.finish()
    bench.check_cache()
    return answered


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_secret_crosses_in_thousands_of_interleavings(count: int) -> None:
    chance = random.Random("secret words")
    answered = sum(interleave(chance) for _ in range(count))
    assert answered > 2 * count


class Serving(RuleBasedStateMachine):
    """The same with steps that hypothesis chooses, and shortens when one fails."""

    @initialize(batch=st.sampled_from([4, 16, 256]), whole_only=st.booleans())
    def open(self, batch: int, whole_only: bool) -> None:
        self.bench = Bench(ToyModel(batch_tokens=batch, whole_only=whole_only))

    @precondition(lambda self: self.bench.rounds.has_room)
    @rule(number=st.integers(0, 4), text=st.text("ab<>", max_size=8), max_tokens=st.integers(1, 6))
    def ask(self, number: int, text: str, max_tokens: int) -> None:
        talk = self.bench.talks[number]
        if talk.job is None:
            self.bench.ask(talk, text, max_tokens=max_tokens)

    @rule(number=st.integers(0, 4))
    def cancel(self, number: int) -> None:
        talk = self.bench.talks[number]
        if talk.job is not None:
            self.bench.cancel(talk)

    @rule(number=st.integers(0, 4))
    def begin_anew(self, number: int) -> None:
        talk = self.bench.talks[number]
        if talk.job is None:
            talk.history.clear()

    @rule()
    def step(self) -> None:
        self.bench.step()

    @invariant()
    def the_table_knows_the_cache(self) -> None:
        if hasattr(self, "bench"):
            self.bench.check_cache()

    @override
    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.finish()


Serving.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=30)
test_no_order_of_steps_lets_anything_cross = Serving.TestCase
