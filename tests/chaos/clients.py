"""A client that behaves like the browser's page: outbox, resuming by event id, reload when told."""

import asyncio
import json
import random
import secrets
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from apps.conversations.contracts import TERMINAL_KINDS, turn_events
from apps.conversations.domain.snapshot import AnswerSnapshot, apply
from apps.conversations.stream import event_order
from apps.providers.domain import stub
from tests.chaos.checker import Observed
from tests.chaos.people import Person

_BACKOFF_S, _BACKOFF_MAX_S = 0.5, 4.0  # as in static/web/js/connection.js
_ACK_EVERY = 32
_RESEND_S = 0.5
_RELOAD_S = 0.5
_OPEN_S = 10.0
_TERMINAL_STATUS = {
    "complete": "done",
    "failed": "error",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}


@dataclass(slots=True)
class Turn:
    """What the client knows of one of its messages and the answer."""

    observed: Observed
    sent_at: float
    accepted_at: float = 0.0
    over_at: float = 0.0
    snapshot: AnswerSnapshot = field(default_factory=AnswerSnapshot)
    last_id: str | None = None
    applied: int = 0
    progress: list[float] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, *, state: str, answer: str) -> None:
        """The answer is final."""
        self.observed.state, self.observed.answer = state, answer
        self.over_at = time.monotonic()
        self.progress.append(self.over_at)
        self.over.set()


class Client:
    """One browser tab: one socket, any number of conversations."""

    def __init__(self, person: Person, port: int, *, model: str) -> None:
        self.person = person
        self.turns: list[Turn] = []
        self.counts: Counter[str] = Counter()
        self._model = model
        self._profile = stub.parse_profile(model)
        self._host = f"{person.slug}.localhost:{port}"
        self._port = port
        self._outbox: dict[str, Turn] = {}
        self._by_turn: dict[str, Turn] = {}
        self._watching: set[str] = set()
        self._socket: ClientConnection | None = None
        self._not_before = 0.0
        self._failures = 0
        self._errands: set[asyncio.Task[None]] = set()

    # -- the person

    async def talk(self, thread: str, stop: asyncio.Event, *, size: int = 0) -> None:
        """Send messages in one conversation, each when the last is answered, until `stop`."""
        conversation: str | None = None
        number = 0
        while not stop.is_set():
            number += 1
            turn = self._send(thread, number, conversation, size=size)
            await turn.over.wait()
            conversation = turn.observed.conversation_id

    async def say(self, thread: str, count: int, *, size: int = 0) -> None:
        """Send so many messages in one conversation, each when the last is answered."""
        conversation: str | None = None
        for number in range(1, count + 1):
            turn = self._send(thread, number, conversation, size=size)
            await turn.over.wait()
            conversation = turn.observed.conversation_id

    def _send(self, thread: str, number: int, conversation: str | None, *, size: int) -> Turn:
        text = f"[{self.person.slug}/{thread}/{number}] What happened next? {'x' * size}".strip()
        identifier = secrets.token_hex(12)
        observed = Observed(
            slug=self.person.slug,
            thread=thread,
            number=number,
            client_message_id=identifier,
            text=text,
            expected=stub.answer(text, self._profile.length),
            conversation_id=conversation or "",
        )
        turn = Turn(observed, time.monotonic())
        self.turns.append(turn)
        self._outbox[identifier] = turn
        self._errand(self._send_outbox([turn]))
        return turn

    # -- the connection

    async def run(self) -> None:
        """Stay connected until cancelled."""
        try:
            while True:
                with suppress(OSError, TimeoutError, WebSocketException):
                    await self._one_connection()
                self._socket = None
                self._watching.clear()
                ceiling = min(_BACKOFF_MAX_S, _BACKOFF_S * 2**self._failures)
                pause = self._not_before + ceiling * random.uniform(0.2, 1.0)
                self._not_before = 0.0
                self._failures += 1
                self.counts["reconnects"] += 1
                await asyncio.sleep(pause)
        finally:
            for errand in list(self._errands):
                errand.cancel()

    async def drop(self) -> None:
        """Close the socket, as a closed lid does."""
        if self._socket is not None:
            await self._socket.close()

    async def _one_connection(self) -> None:
        async with connect(
            f"ws://{self._host}/ws/chat/",
            host="127.0.0.1",
            port=self._port,
            origin=Origin(f"http://{self._host}"),
            additional_headers={"Cookie": self.person.cookies},
            open_timeout=_OPEN_S,
            ping_interval=None,
            close_timeout=1,
            proxy=None,
        ) as socket:
            async for data in socket:
                await self._receive(socket, json.loads(data))
        self.counts[f"closed_{socket.close_code}"] += 1

    async def _post(self, **frame: object) -> bool:
        if self._socket is None:
            return False
        try:
            await self._socket.send(json.dumps(frame))
        except WebSocketException:
            return False
        return True

    # -- the protocol

    async def _receive(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "ready":
                self._socket, self._failures = socket, 0
                for turn_id, turn in self._by_turn.items():
                    if not turn.over.is_set():
                        await self._watch(turn_id)
                await self._send_outbox(list(self._outbox.values()))
            case "accepted":
                self._accepted(frame)
            case "event":
                await self._event(frame)
            case "cursor":
                self.counts[f"cursor_{frame['problem']}"] += 1
                if frame["turn_id"] is None:  # of the notices, which this client does not follow
                    return
                self._watching.discard(frame["turn_id"])
                self._errand(self._reload(frame["turn_id"]))
            case "error":
                self._refused(frame)
            case "reconnect":
                self.counts["reconnect_hints"] += 1
                self._not_before = frame["after_ms"] / 1000

    async def _send_outbox(self, turns: list[Turn]) -> None:
        for turn in turns:
            await self._post(
                type="message",
                ref=turn.observed.client_message_id,
                conversation_id=turn.observed.conversation_id or None,
                client_message_id=turn.observed.client_message_id,
                text=turn.observed.text,
                model=self._model,
            )

    def _accepted(self, frame: dict[str, Any]) -> None:
        turn = self._outbox.pop(frame["ref"], None)
        if turn is None:
            return
        turn.accepted_at = time.monotonic()
        turn.progress.append(turn.accepted_at)
        turn.observed.accepted = True
        turn.observed.conversation_id = frame["conversation_id"]
        turn.observed.turn_id = frame["turn_id"]
        self._by_turn[frame["turn_id"]] = turn
        self._watching.add(frame["turn_id"])
        self.counts["repeats_recognised"] += not frame["created"]

    def _refused(self, frame: dict[str, Any]) -> None:
        self.counts[f"error_{frame['error']['type']}"] += 1
        turn = self._outbox.get(frame.get("ref", ""))
        if turn is not None:
            self._errand(self._resend_later(turn))

    async def _resend_later(self, turn: Turn) -> None:
        await asyncio.sleep(_RESEND_S)
        if turn.observed.client_message_id in self._outbox:
            await self._send_outbox([turn])

    async def _watch(self, turn_id: str) -> None:
        turn = self._by_turn[turn_id]
        if turn_id in self._watching or turn.over.is_set():
            return
        if await self._post(type="watch", turn_id=turn_id, after=turn.last_id):
            self._watching.add(turn_id)

    async def _event(self, frame: dict[str, Any]) -> None:
        turn = self._by_turn.get(frame["turn_id"])
        if turn is None:
            self.counts["foreign_events"] += 1
            return
        order = event_order(frame["id"])
        if order <= turn.snapshot.cursor:
            turn.observed.doubled += 1
        event = turn_events.validate_python({**frame["event"], "attempt": frame["attempt"]})
        turn.snapshot = apply(turn.snapshot, order, event)
        turn.last_id = frame["id"]
        turn.applied += 1
        turn.progress.append(time.monotonic())
        self.counts["events"] += 1
        ended = event.kind in TERMINAL_KINDS
        turn.observed.terminals += ended
        if ended or turn.applied % _ACK_EVERY == 0:
            await self._post(type="ack", turn_id=frame["turn_id"], id=frame["id"])
        if ended:
            turn.end(state=event.kind, answer=turn.snapshot.text)

    async def _reload(self, turn_id: str) -> None:
        """Do what the page does at a `cursor` frame: read the conversation, follow what goes on."""
        turn = self._by_turn[turn_id]
        while not turn.over.is_set():
            answer = await self._stored_answer(turn)
            if answer is not None and answer["status"] in _TERMINAL_STATUS:
                turn.end(state=_TERMINAL_STATUS[answer["status"]], answer=answer["text"])
                return
            if answer is not None:
                turn.snapshot, turn.last_id = AnswerSnapshot(), None
                await self._watch(turn_id)
                if turn_id in self._watching:
                    return
            await asyncio.sleep(_RELOAD_S)

    async def _stored_answer(self, turn: Turn) -> dict[str, Any] | None:
        path = f"/api/v1/conversations/{turn.observed.conversation_id}/messages"
        headers = {"Host": self._host, "Cookie": self.person.cookies}
        timeout = aiohttp.ClientTimeout(total=_OPEN_S)
        self.counts["reloads"] += 1
        with suppress(OSError, TimeoutError, aiohttp.ClientError):
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://127.0.0.1:{self._port}{path}", headers=headers) as answer,
            ):
                if answer.status == 200:
                    rows = (await answer.json())["results"]
                    wanted = turn.observed.turn_id
                    return next((row for row in rows if row["turn_id"] == wanted), None)
                self.counts[f"http_{answer.status}"] += 1
        return None

    def _errand(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
