"""The engine's thread and queue, cancelling, failures and unloading, on a toy model."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from apps.providers import metrics
from apps.providers.contracts import ChatMessage, Finished, ModelRequest, Role, TextDelta
from apps.providers.domain.reading import reading_portions
from apps.providers.domain.residency import Resident, who_leaves
from apps.providers.domain.sampling import Sampling
from apps.providers.domain.slots import SlotTable
from apps.providers.engine.model import EngineSpec, NativeError
from apps.providers.engine.residents import Residents, memory_bytes
from apps.providers.engine.rounds import READING_CHUNK, Job, Outcome, Rounds
from apps.providers.engine.scheduler import MAX_WAITING, Engine, EngineGone
from apps.providers.errors import ConfigurationError, ProviderInterrupted, ProviderUnavailable
from tests.stubs.gguf import gguf_file
from tests.stubs.toy_model import ToyModel

WAIT_S = 20.0


class Listener:
    """Whoever waits for one answer."""

    def __init__(self, text: str = "hello", *, partition: str = "t:1", max_tokens: int = 5) -> None:
        self.outcomes: queue.Queue[Outcome] = queue.Queue()
        self.gone = False
        request = ModelRequest(
            model="local/toy",
            messages=(ChatMessage(role=Role.USER, text=text),),
            max_tokens=max_tokens,
            temperature=0.0,
            partition=partition,
        )
        self.job = Job(request, Sampling(temperature=0.0), self.take)

    def take(self, outcome: Outcome) -> bool:
        self.outcomes.put(outcome)
        return not self.gone

    def next(self) -> Outcome:
        return self.outcomes.get(timeout=WAIT_S)

    def rest(self) -> list[Outcome]:
        seen = [self.next()]
        while not isinstance(seen[-1], Finished | Exception):
            seen.append(self.next())
        return seen


class Gate:
    """A model whose evaluations wait until they are let through, one by one or all."""

    def __init__(self, model: ToyModel) -> None:
        self.model = model
        self.steps = threading.Semaphore(0)
        self.entered: queue.Queue[int] = queue.Queue()
        self._decode = model.decode
        model.decode = self._held  # type: ignore[method-assign]  # the double is ours

    def _held(self, entries: object) -> None:
        self.entered.put(self.model.evaluations)
        assert self.steps.acquire(timeout=WAIT_S)
        self._decode(entries)  # type: ignore[arg-type]  # passed on as it came


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    started: list[Engine] = []
    yield started
    for engine in started:
        engine.stop()
        assert engine.gone.wait(WAIT_S)


def spec(*, idle_s: float = 0.0, sequences: int = 2) -> EngineSpec:
    return EngineSpec(
        path=Path("toy.gguf"), context_tokens=4096, threads=1, sequences=sequences, idle_s=idle_s
    )


Start = Callable[..., Engine]


@pytest.fixture
def start(engines: list[Engine]) -> Start:
    def started(model: ToyModel, **options: float) -> Engine:
        chosen = spec(idle_s=options.get("idle_s", 0.0), sequences=int(options.get("slots", 2)))
        engine = Engine(chosen, open_model=lambda _spec: model)
        engines.append(engine)
        return engine

    return started


def test_a_cancelled_answer_gets_no_further_token() -> None:
    model = ToyModel(endless=True)
    rounds = Rounds(model, SlotTable(2))
    first, other = Listener(max_tokens=1000), Listener(partition="t:2", max_tokens=1000)
    rounds.admit(first.job)
    rounds.admit(other.job)
    for _ in range(4):
        rounds.step()
    before = first.outcomes.qsize()
    first.job.cancelled = True
    evaluations = model.evaluations
    rounds.step()
    assert first.outcomes.qsize() == before
    assert model.evaluations == evaluations + 1
    assert len(model.open_samplers) == 1, "the other goes on"
    other.job.cancelled = True
    rounds.step()
    assert model.evaluations == evaluations + 1, "nothing is evaluated for nobody"
    assert not rounds.running


def test_a_cancel_while_a_token_is_computed_costs_that_one_token(start: Start) -> None:
    gate = Gate(ToyModel(endless=True, batch_tokens=64))
    engine = start(gate.model)
    listener = Listener(max_tokens=1000)
    engine.submit(listener.job)
    for _ in range(3):
        gate.entered.get(timeout=WAIT_S)
        gate.steps.release()
    gate.entered.get(timeout=WAIT_S)
    engine.cancel(listener.job)
    told = listener.outcomes.qsize()
    gate.steps.release(1000)
    follower = Listener(partition="t:2", max_tokens=1)
    engine.submit(follower.job)
    assert isinstance(follower.rest()[-1], Finished)
    assert listener.outcomes.qsize() <= told + 1


def test_whoever_stops_listening_gets_no_further_token() -> None:
    model = ToyModel(endless=True)
    rounds = Rounds(model, SlotTable(1))
    listener = Listener(max_tokens=1000)
    rounds.admit(listener.job)
    listener.gone = True
    for _ in range(3):
        rounds.step()
    assert listener.outcomes.qsize() == 1
    assert not rounds.running


def test_a_cancelled_request_in_the_queue_makes_room(start: Start) -> None:
    gate = Gate(ToyModel(endless=True, batch_tokens=64))
    engine = start(gate.model, slots=1)
    running = Listener(max_tokens=2)
    engine.submit(running.job)
    gate.entered.get(timeout=WAIT_S)
    waiting = [Listener(partition=f"t:{number}", max_tokens=1) for number in range(MAX_WAITING)]
    for each in waiting:
        engine.submit(each.job)
    with pytest.raises(ProviderUnavailable):
        engine.submit(Listener().job)
    engine.cancel(waiting[0].job)
    last = Listener(partition="t:last", max_tokens=1)
    engine.submit(last.job)
    gate.steps.release(1000)
    assert isinstance(last.rest()[-1], Finished)
    assert waiting[0].outcomes.empty()


def test_a_failing_model_ends_every_answer_and_frees_everything(start: Start) -> None:
    model = ToyModel(endless=True, fail_at=3, batch_tokens=64)
    engine = start(model)
    listeners = [Listener(partition=f"t:{number}", max_tokens=99) for number in range(3)]
    for each in listeners:
        try:
            engine.submit(each.job)
        except EngineGone:
            each.take(ProviderInterrupted())
    for each in listeners:
        assert isinstance(each.rest()[-1], ProviderInterrupted)
    assert engine.gone.wait(WAIT_S)
    assert model.closed
    assert not engine.alive
    with pytest.raises(EngineGone):
        engine.submit(Listener().job)


def test_a_file_that_does_not_load_is_the_operators_matter(engines: list[Engine]) -> None:
    def refuse(_spec: EngineSpec) -> ToyModel:
        raise NativeError("no model")

    engine = Engine(spec(), open_model=refuse)
    engines.append(engine)
    assert engine.gone.wait(WAIT_S)
    assert isinstance(engine.failure, ConfigurationError)


def test_an_idle_model_gives_its_memory_back(start: Start) -> None:
    model = ToyModel()
    engine = start(model, idle_s=0.05)
    listener = Listener()
    engine.submit(listener.job)
    assert isinstance(listener.rest()[-1], Finished)
    assert engine.gone.wait(WAIT_S)
    assert model.closed
    with pytest.raises(EngineGone):
        engine.submit(Listener().job)


def test_a_busy_model_is_not_sent_away(start: Start) -> None:
    gate = Gate(ToyModel(endless=True, batch_tokens=64))
    engine = start(gate.model)
    engine.loaded.wait(WAIT_S)
    listener = Listener(max_tokens=3)
    engine.submit(listener.job)
    gate.entered.get(timeout=WAIT_S)
    assert engine.busy
    assert not engine.retire()
    gate.steps.release(1000)
    assert isinstance(listener.rest()[-1], Finished)
    for _ in range(1000):
        if engine.retire():
            break
        engine.gone.wait(0.01)  # it has told the end before it notices that it is idle
    assert engine.gone.is_set()


# Several models in one budget.


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.gguf" for name in ("one", "two", "three")}
    for path in paths.values():
        path.write_bytes(gguf_file({"general.architecture": "toy", "toy.context_length": 64}))
    return paths


def placed(path: Path) -> EngineSpec:
    return EngineSpec(path=path, context_tokens=64, threads=1)


def no_check() -> None:
    """Files of a test need no seal."""


def test_the_model_unused_for_longest_makes_room(files: dict[str, Path]) -> None:
    one = memory_bytes(placed(files["one"]))
    residents = Residents(open_model=lambda _spec: ToyModel(), budget=lambda: 2 * one)
    engines = {}
    for name in ("one", "two"):
        engines[name] = residents.load(name, placed(files[name]), no_check)
        assert engines[name].loaded.wait(WAIT_S)
    assert residents.find("one") is engines["one"]  # used again: "two" is the older one now
    residents.load("three", placed(files["three"]), no_check)
    assert residents.find("two") is None
    assert residents.find("one") is engines["one"]
    assert engines["two"].gone.is_set()
    residents.stop()


def test_models_that_answer_are_left_and_the_request_is_told_to_come_again(
    files: dict[str, Path],
) -> None:
    one = memory_bytes(placed(files["one"]))
    gate = Gate(ToyModel(endless=True, batch_tokens=64))
    residents = Residents(open_model=lambda _spec: gate.model, budget=lambda: one)
    engine = residents.load("one", placed(files["one"]), no_check)
    listener = Listener(max_tokens=2)
    engine.submit(listener.job)
    gate.entered.get(timeout=WAIT_S)
    with pytest.raises(ProviderUnavailable) as refused:
        residents.load("two", placed(files["two"]), no_check)
    assert refused.value.retry_after_s
    gate.steps.release(1000)
    assert isinstance(listener.rest()[-1], Finished)
    residents.stop()


def test_a_model_larger_than_the_budget_is_refused_before_it_loads(files: dict[str, Path]) -> None:
    def never(_spec: EngineSpec) -> ToyModel:
        raise AssertionError

    residents = Residents(open_model=never, budget=lambda: 10)
    with pytest.raises(ConfigurationError) as refused:
        residents.load("one", placed(files["one"]), no_check)
    assert "LOCAL_MEMORY_MIB" in refused.value.hint


def test_a_model_that_went_idle_is_loaded_again_and_no_longer_counted(
    files: dict[str, Path],
) -> None:
    def loaded() -> float:
        return float(metrics.LOCAL_LOADED._value.get())

    residents = Residents(open_model=lambda _spec: ToyModel(), budget=lambda: 1 << 30)
    brief = replace(placed(files["one"]), idle_s=0.01)
    first = residents.load("one", brief, no_check)
    assert first.gone.wait(WAIT_S)
    assert residents.find("one") is None
    first._thread.join(WAIT_S)
    assert loaded() == 0
    again = residents.load("one", placed(files["one"]), no_check)
    assert again is not first
    assert loaded() == 1
    residents.stop()


def test_an_altered_file_is_not_loaded(files: dict[str, Path]) -> None:
    def refuse() -> None:
        raise ConfigurationError("altered")

    residents = Residents(open_model=lambda _spec: ToyModel(), budget=lambda: 1 << 30)
    with pytest.raises(ConfigurationError):
        residents.load("one", placed(files["one"]), refuse)
    assert residents.find("one") is None


names = st.sampled_from("abcdef")
residents_there = st.lists(
    st.builds(
        Resident,
        name=names,
        size_bytes=st.integers(1, 50),
        busy=st.booleans(),
        used_at=st.integers(0, 99),
    ),
    unique_by=lambda each: each.name,
)


@given(residents_there, st.integers(0, 100), st.integers(0, 200))
def test_only_idle_models_leave_and_no_more_than_needed(
    there: list[Resident], wanted: int, budget: int
) -> None:
    leaving = who_leaves(there, wanted=wanted, budget=budget)
    sizes = {each.name: each.size_bytes for each in there}
    total = sum(sizes.values()) + wanted
    idle = {each.name: each for each in there if not each.busy}
    if leaving is None:
        assert total - sum(each.size_bytes for each in idle.values()) > budget
        return
    assert set(leaving) <= set(idle)
    assert total - sum(sizes[name] for name in leaving) <= budget
    if leaving:
        assert total - sum(sizes[name] for name in leaving[:-1]) > budget
    stayed = [each.used_at for name, each in idle.items() if name not in leaving]
    assert all(idle[name].used_at <= used for name in leaving for used in stayed)


# Who reads.


@given(st.lists(st.integers(1, 500), max_size=6), st.integers(1, 512))
def test_the_room_is_used_and_the_oldest_prompt_gets_its_half(left: list[int], room: int) -> None:
    portions = reading_portions(left, room)
    assert all(0 <= part <= whole for part, whole in zip(portions, left, strict=True))
    assert sum(portions) == min(room, sum(left))
    if left:
        assert portions[0] >= min(left[0], (room + 1) // 2)


def test_a_short_question_does_not_wait_behind_a_long_document() -> None:
    assert reading_portions([3000, 40], 128) == [88, 40]
    assert reading_portions([3000, 40, 500], 128) == [64, 40, 24]
    assert reading_portions([100, 100], 128) == [100, 28]


def test_answers_go_on_while_a_long_prompt_is_read() -> None:
    model = ToyModel(endless=True, batch_tokens=512)
    rounds = Rounds(model, SlotTable(2))
    talking = Listener(max_tokens=1000)
    rounds.admit(talking.job)
    rounds.step()
    reader = Listener("x" * 3 * READING_CHUNK, partition="t:2", max_tokens=1)
    rounds.admit(reader.job)
    before = talking.outcomes.qsize()
    steps = 0
    while reader.outcomes.empty():
        rounds.step()
        steps += 1
    assert talking.outcomes.qsize() == before + steps
    assert steps == 4  # three portions, and the template's own tokens
    said = [talking.outcomes.get() for _ in range(before + steps)]
    assert all(isinstance(each, TextDelta) for each in said)


def test_sequences_stand_in_ascending_order_in_every_batch() -> None:
    model = ToyModel(endless=True)
    rounds = Rounds(model, SlotTable(3))
    first, second, third = (Listener(partition=f"t:{n}", max_tokens=1000) for n in range(3))
    for each in (first, second, third):
        rounds.admit(each.job)
    rounds.step()
    first.job.cancelled = True
    rounds.step()
    rounds.admit(Listener(partition="t:9", max_tokens=1000).job)  # takes the first slot, comes last
    seen: list[list[int]] = []
    decode = model.decode

    def watched(entries: object) -> None:
        seen.append([entry.sequence for entry in entries])  # type: ignore[attr-defined]  # entries
        decode(entries)  # type: ignore[arg-type]  # passed on as it came

    model.decode = watched  # type: ignore[method-assign]  # the double is ours
    for _ in range(3):
        rounds.step()
    assert all(each == sorted(each) for each in seen)
    assert set(seen[-1]) == {0, 1, 2}
