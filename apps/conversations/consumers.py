"""Stage 1: the WebSocket gateway. Parses, limits, hands to the hub, relays events; nothing else.

Handlers run as tasks and never block each other: a slow query on one socket must not hold up the
tokens of another (decisions.md, trap 6). Relays write to the socket themselves.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from pydantic import ValidationError
from typing_extensions import override

from apps.accounts import services as accounts
from apps.conversations import hub, metrics
from apps.conversations.contracts import (
    PROTOCOL_VERSION,
    AckFrame,
    ClientFrame,
    ContinueFrame,
    FocusFrame,
    FollowFrame,
    MessageFrame,
    PingFrame,
    RegenerateFrame,
    StopFrame,
    TurnAccepted,
    TurnView,
    TypingFrame,
    WatchFrame,
    client_frames,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import FrameInvalid
from apps.conversations.permissions import CHAT
from apps.conversations.presence import Room
from apps.conversations.relay import NoticeRelay, TurnRelay
from apps.conversations.rendering import as_json
from apps.conversations.watching import START
from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.drain import drain
from apps.core.envelope import error_body
from apps.core.errors import InternalError, KarenError, PayloadTooLarge
from apps.core.logging import get_logger
from apps.core.metrics import errors_total, unhandled_total
from apps.core.scope import Actor
from apps.providers import selectors as providers
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

CLOSE_RESTART = 1012
CLOSE_NOT_AUTHENTICATED = 4401
CLOSE_TOO_SLOW = 4008
CLOSE_TOO_MANY = 4029
_HEARTBEAT_S = 25
_SESSION_CHECK_S = 30.0
_SESSION_FAILURES_MAX = 4
_HANDLERS_MAX = 32
_COME_BACK_MS, _COME_BACK_SPREAD_MS = 500, 2_500
_WATCHES_MAX = 64


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # untyped library
    """One browser tab or API client."""

    actor: Actor

    @override
    async def connect(self) -> None:
        """Accept whoever the session names, or close with 4401."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._relays: dict[UUID, TurnRelay] = {}
        actor = self.scope.get("actor")
        await self.accept()
        if actor is None or not actor.may(CHAT):
            await self.close(code=CLOSE_NOT_AUTHENTICATED)
            return
        self.actor = actor
        metrics.active_sessions.inc()
        drain().join(self._leave)
        self._room = Room(self.channel_layer, self.channel_name, actor)
        self._notices = NoticeRelay(actor, send=self._send)
        await self._send(await self._ready())
        self._spawn(self._check_session())

    async def _leave(self) -> None:
        """The process ends: name a moment to come back at, another one for every socket."""
        for relay in list(self._relays.values()):  # nothing is sent into a closed socket
            relay.stop()
        after_ms = _COME_BACK_MS + secrets.randbelow(_COME_BACK_SPREAD_MS)
        await self._send({"type": "reconnect", "after_ms": after_ms})
        await self.close(code=CLOSE_RESTART)

    async def _ready(self) -> dict[str, Any]:
        await providers.prepared()
        return {
            "type": "ready",
            "protocol": PROTOCOL_VERSION,
            "correlation_id": scope.correlation_id(),
            "user": {"id": str(self.actor.id), "label": self.actor.label},
            "heartbeat_s": _HEARTBEAT_S,
            "cursor": await self._notices.cursor(),
            "models": [{"id": m.id, "label": m.label} for m in providers.list_models()],
        }

    @override
    async def disconnect(self, code: int) -> None:
        """End the relays; the turns go on: a disconnect is not a cancel."""
        if hasattr(self, "actor"):
            metrics.active_sessions.dec()
            drain().part(self._leave)
            await self._notices.stop()
            await self._room.enter(None)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @override
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Parse one frame and start its handler."""
        if not hasattr(self, "actor"):
            return
        limit = settings.CHAT_FRAME_MAX_BYTES
        if text_data is None or len(text_data.encode()) > limit:
            await self._send_error(PayloadTooLarge(limit_bytes=limit))
            return
        try:
            frame = client_frames.validate_json(text_data)
        except ValidationError as error:
            await self._send_error(FrameInvalid(_problem(error)), ref=_ref_of(text_data))
            return
        if isinstance(frame, AckFrame):  # on the reader's own path: it frees the relay at once
            relay = self._relays.get(frame.turn_id)
            if relay is not None:
                relay.acknowledge(frame.id)
            return
        if len(self._tasks) >= _HANDLERS_MAX + _WATCHES_MAX:
            await self.close(code=CLOSE_TOO_MANY)
            return
        self._spawn(self._handle(frame))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, frame: ClientFrame) -> None:
        await self._guarded(frame.type, getattr(frame, "ref", ""), self._dispatch_frame(frame))

    async def _guarded(self, what: str, ref: str, work: Coroutine[Any, Any, None]) -> None:
        with scope.actor_scope(self.actor), scope.correlation_scope():
            try:
                await work
            except KarenError as error:
                metrics.chat_errors_total.labels(error.code).inc()
                await self._send_error(error, ref=ref)
            except Exception:  # the socket is one of three places that may: it must answer
                unhandled_total.labels("socket").inc()
                logger.exception("socket.handler_failed", frame=what)
                await self._send_error(InternalError(), ref=ref)

    async def _dispatch_frame(self, frame: ClientFrame) -> None:
        match frame:
            case MessageFrame() | RegenerateFrame() | ContinueFrame():
                accepted = await tenant_db(
                    hub.ask, actor=self.actor, edge="websocket", wanted=frame
                )
                await self._accept(frame.ref, accepted)
            case WatchFrame():
                turn = await tenant_db(hub.open_turn, actor=self.actor, turn_id=frame.turn_id)
                await self._follow(turn, frame.after)
            case StopFrame():
                await tenant_db(hub.stop_turn, actor=self.actor, turn_id=frame.turn_id)
            case FollowFrame():
                await self._notices.follow(frame.after)
            case FocusFrame():
                await self._focus(frame.conversation_id)
            case TypingFrame():
                await self._room.say_typing(frame.conversation_id)
            case PingFrame():
                await self._send({"type": "pong"})
            case AckFrame():
                return

    async def _focus(self, conversation_id: UUID | None) -> None:
        if conversation_id is not None:
            await tenant_db(
                hub.open_conversation, actor=self.actor, conversation_id=conversation_id
            )
        await self._room.enter(conversation_id)

    async def room_event(self, event: dict[str, Any]) -> None:
        """Pass on who is here or writing; called by the channel layer."""
        frame = await self._room.take(event)
        if frame is not None:
            await self._send(frame)

    async def _accept(self, ref: str, accepted: TurnAccepted) -> None:
        await self._send({"type": "accepted", "ref": ref, **as_json(accepted)})
        for turn_id in accepted.turn_ids:
            if turn_id not in self._relays:
                self._spawn(self._guarded("accepted", ref, self._start(turn_id, accepted)))

    async def _start(self, turn_id: UUID, accepted: TurnAccepted) -> None:
        if accepted.created:
            await self._relay(turn_id, None)
        else:  # sent before: its answer may be over and its log gone
            turn = await tenant_db(hub.open_turn, actor=self.actor, turn_id=turn_id)
            await self._follow(turn, None)

    async def _follow(self, turn: TurnView, after: str | None) -> None:
        running = self._relays.pop(turn.id, None)
        if running is not None:
            running.stop()
        if after in {None, START} and turn.state not in ACTIVE:
            # The log may be gone; the database has the answer.
            await self._send_cursor(turn.id, "expired")
            return
        await self._relay(turn.id, after)

    async def _relay(self, turn_id: UUID, after: str | None) -> None:
        relay = TurnRelay(turn_id, after=after, send=self._send, still_active=self._turn_is_active)
        self._relays[turn_id] = relay
        try:
            problem = await relay.run()
        finally:
            if self._relays.get(turn_id) is relay:
                del self._relays[turn_id]
        if problem == "too_slow":
            await self.close(code=CLOSE_TOO_SLOW)
        elif problem is not None:
            await self._send_cursor(turn_id, problem)

    async def _turn_is_active(self, turn_id: UUID) -> bool:
        try:
            turn = await tenant_db(hub.open_turn, actor=self.actor, turn_id=turn_id)
        except KarenError:
            return False
        return turn.state in ACTIVE

    async def _check_session(self) -> None:
        """Ask again and again who this is and what they may do; close when it is nobody."""
        failures = 0
        while True:
            await asyncio.sleep(_SESSION_CHECK_S)
            try:
                actor = await platform_db(self._present_actor)
                failures = 0
            except DatabaseError:  # forgiven for two minutes, then the door closes
                failures += 1
                actor = self.actor if failures < _SESSION_FAILURES_MAX else None
            if actor is None or not actor.may(CHAT):
                await self.close(code=CLOSE_NOT_AUTHENTICATED)
                return
            self.actor = actor
            await self._let_go()

    async def _let_go(self) -> None:
        """Stop showing what is not this person's to see any more, such as after a removal."""
        for turn_id, relay in list(self._relays.items()):
            if not await self._still_sees(hub.open_turn, turn_id=turn_id):
                relay.stop()
        here = self._room.conversation_id
        if here is not None and not await self._still_sees(
            hub.open_conversation, conversation_id=here
        ):
            await self._room.enter(None)

    async def _still_sees(self, gate: Callable[..., object], **what: UUID) -> bool:
        try:
            await tenant_db(gate, actor=self.actor, **what)
        except KarenError:
            return False
        except DatabaseError:  # asked again in a moment
            return True
        return True

    def _present_actor(self) -> Actor | None:
        tenant = scope.require()
        if tenants.find_active_ref(tenant.id) is None:
            return None
        return accounts.actor_of_credential(self.scope["session_key"], tenant)

    async def _send_cursor(self, turn_id: UUID, problem: str) -> None:
        await self._send({"type": "cursor", "turn_id": str(turn_id), "problem": problem})

    async def _send_error(self, error: KarenError, ref: str = "") -> None:
        errors_total.labels(error.code, "websocket").inc()
        frame: dict[str, Any] = {"type": "error", "error": error_body(error)}
        if ref:
            frame["ref"] = ref
        await self._send(frame)

    async def _send(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(frame, separators=(",", ":")))


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _ref_of(text: str) -> str:
    with contextlib.suppress(ValueError, RecursionError):
        frame = json.loads(text)
        if isinstance(frame, dict) and isinstance(frame.get("ref"), str):
            return str(frame["ref"])[:64]
    return ""
