"""One run under fire: clients, faults, recovery times, and the verdict."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.chaos.checker import COUNTS, Verdict, check
from tests.chaos.clients import Client, Turn
from tests.chaos.proxy import Proxy, running_proxy
from tests.chaos.stack import Target

RECOVERY_S = 15.0
_STOP_S = 5.0
_END_S = 20.0
_SETTLE_S = 60.0
_POLL_S = 0.1
_LONGEST_WAIT_S = 60.0  # a database that recovers on a busy machine takes half a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens in a run.

    Attributes:
        model: The stub model, whose name is its latency profile.
        conversations: How many turns are in flight all the time.
        faults: Names from `FAULTS`, one after another.
        calm_s: Seconds between a recovery and the next fault.
        size: Characters added to each message.
        turns: Messages in each conversation; 0 for as many as fit until the last fault is over.
    """

    model: str
    conversations: int
    faults: Sequence[str]
    calm_s: float = 1.0
    size: int = 0
    turns: int = 0


@dataclass(slots=True)
class Fault:
    """A fault that was made, and how long anybody waited because of it."""

    name: str
    in_flight: int
    at: float
    recovery_s: float = 0.0
    stuck: int = 0


@dataclass(slots=True)
class Report:
    """What a run found."""

    verdict: Verdict
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def slowest_s(self) -> float:
        """The longest recovery of all faults."""
        return max((fault.recovery_s for fault in self.faults), default=0.0)

    @property
    def clean(self) -> bool:
        """Say whether nothing was lost and every recovery was fast enough."""
        return self.whole and self.slowest_s <= RECOVERY_S

    @property
    def whole(self) -> bool:
        """Say whether nothing was lost, however long it took."""
        stuck = any(fault.stuck for fault in self.faults)
        return self.verdict.clean and not stuck and not self.counts["foreign_events"]

    def text(self) -> str:
        """Return the report for people."""
        lines = [
            f"{fault.name:<16} in flight {fault.in_flight:>4}   recovered after "
            f"{fault.recovery_s:5.1f} s   stuck {fault.stuck}"
            for fault in self.faults
        ]
        lines += [f"{name:<20} {self.verdict.counts[name]}" for name in COUNTS]
        lines += [f"({name} {count})" for name, count in sorted(self.counts.items())]
        lines += self.verdict.details[:20]
        lines.append(f"{self.seconds:.0f} s")
        return "\n".join(lines)


class Fire:
    """Clients of one target, and the faults made while they talk."""

    def __init__(self, target: Target, plan: Plan, proxy: Proxy) -> None:
        self.target = target
        self.plan = plan
        self.proxy = proxy
        self.clients = [Client(p, proxy.port, model=plan.model) for p in target.people]
        self.faults: list[Fault] = []

    def turns(self) -> list[Turn]:
        """Return everything that was ever sent."""
        return [turn for client in self.clients for turn in client.turns]

    def waiting(self) -> list[Turn]:
        """Return what is not answered yet."""
        return [turn for turn in self.turns() if not turn.over.is_set()]

    async def make(self, name: str) -> None:
        """Make one fault and wait until everybody who was waiting then got something new."""
        waiting = self.waiting()
        fault = Fault(name, len(waiting), time.monotonic())
        self.faults.append(fault)
        await FAULTS[name](self)
        deadline = fault.at + _LONGEST_WAIT_S
        while time.monotonic() < deadline:
            if all(went_on(turn, fault.at) for turn in waiting):
                break
            await asyncio.sleep(_POLL_S)
        moved = [at for turn in waiting if (at := went_on(turn, fault.at)) is not None]
        fault.stuck = len(waiting) - len(moved)
        fault.recovery_s = max((at - fault.at for at in moved), default=0.0)


def went_on(turn: Turn, after: float) -> float | None:
    """Return when a turn next moved after a moment: accepted, an event, or its end.

    What moved within the grace was under way when the fault struck and proves nothing, except an
    end: nobody waits for that turn any longer.
    """
    if turn.over.is_set() and turn.over_at <= after + GRACE_S:
        return turn.over_at
    return next((at for at in turn.progress if at > after + GRACE_S), None)


GRACE_S = 0.3


def _kill(name: str) -> Callable[[Fire], Awaitable[None]]:
    async def strike(fire: Fire) -> None:
        fire.target.signal(name, signal.SIGKILL)

    return strike


def _stop(name: str) -> Callable[[Fire], Awaitable[None]]:
    async def strike(fire: Fire) -> None:
        fire.target.signal(name, signal.SIGSTOP)
        await asyncio.sleep(_STOP_S)
        fire.target.signal(name, signal.SIGCONT)

    return strike


def _terminate(name: str) -> Callable[[Fire], Awaitable[None]]:
    async def strike(fire: Fire) -> None:
        # As a rolling restart does: one of a kind after the other.
        ending = fire.target.signal(name, signal.SIGTERM, only_one=True)
        # It takes its time: the next fault is one of its own, not this one made worse.
        await _until(lambda: not any(map(psutil.pid_exists, ending)), _END_S)

    return strike


async def _reset(fire: Fire) -> None:
    fire.proxy.reset_all()


async def _break_readers(fire: Fire) -> None:
    fire.target.break_readers()


async def _disconnect(fire: Fire) -> None:
    for client in fire.clients:
        await client.drop()


_PROCESSES = ("web", "worker", "relay", "beat", "valkey", "postgres")
FAULTS: dict[str, Callable[[Fire], Awaitable[None]]] = {
    **{f"kill {name}": _kill(name) for name in _PROCESSES},
    **{f"stop {name}": _stop(name) for name in _PROCESSES},
    **{f"term {name}": _terminate(name) for name in ("web", "worker")},
    "reset": _reset,
    "disconnect": _disconnect,
    "break readers": _break_readers,
}


async def burn(target: Target, plan: Plan) -> Report:
    """Carry out a plan and compare what clients saw with what is stored."""
    started = time.monotonic()
    async with running_proxy(target.port) as proxy:
        fire = Fire(target, plan, proxy)
        stop = asyncio.Event()
        online = [asyncio.create_task(client.run()) for client in fire.clients]
        talks = []
        for index in range(plan.conversations):
            client = fire.clients[index % len(fire.clients)]
            thread = f"{client.person.label}-{len(target.history)}-{index}"
            talk = (
                client.say(thread, plan.turns, size=plan.size)
                if plan.turns
                else client.talk(thread, stop, size=plan.size)
            )
            talks.append(asyncio.create_task(talk))
        await _until(lambda: all(len(t.progress) > 2 for t in fire.turns()), _SETTLE_S)
        for name in plan.faults:
            await asyncio.sleep(plan.calm_s)
            await fire.make(name)
        stop.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                await asyncio.gather(*talks)
        for task in (*talks, *online):
            task.cancel()
        await asyncio.gather(*talks, *online, return_exceptions=True)
        counts: Counter[str] = Counter()
        for client in fire.clients:
            counts.update(client.counts)
        counts["messages"] = len(fire.turns())
        counts["resets"] = proxy.resets
    messages, turns = target.stored()
    target.history.extend(turn.observed for turn in fire.turns())
    counts["second_attempts"] = sum(turn.attempt > 1 for turn in turns)
    verdict = check(target.history, messages, turns)
    return Report(verdict, fire.faults, counts, time.monotonic() - started)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                if condition():
                    return
                await asyncio.sleep(_POLL_S)
