"""Asking a model that lives in the inference worker, from a process that must not load it.

The question waits in Redis until a worker takes it; the answer comes back as a Redis Stream, read
as it grows. Nothing is kept: whoever asks is waiting, and what nobody waits for is worthless.

- The worker takes the question out (`GETDEL`), so a task delivered twice answers once.
- The reader keeps a key alive while it waits; when that is gone the worker stops the model.
- The worker writes at least every `BEAT_S`; silence means that it died.
"""

import asyncio
import contextlib
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast
from uuid import UUID

import msgspec
import redis

from apps.core.concurrency import platform_db
from apps.core.errors import KarenError, ServiceUnavailable
from apps.core.ids import new_id
from apps.core.keys import tenant_key
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis
from apps.jobs import services as jobs
from apps.providers import gateway
from apps.providers.contracts import (
    NOBODY,
    Embedding,
    Finished,
    Flow,
    ModelRequest,
    Origin,
    ProviderEvent,
)
from apps.providers.domain.packed_events import Packed, UnknownEvent, packed, unpacked
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ModelNotFound,
    NoModelAvailable,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)

logger = get_logger(__name__)

ANSWER_TASK = "providers.answer_call"
EMBED_TASK = "providers.embed_call"

START_S = 60.0  # a worker that has not begun by then is too busy, or there is none
BEAT_S = 3.0
SILENT_S = 15.0
COALESCE_S = 0.03

_READER_TTL_S = 15
_EXPIRY_S = 120
_BLOCK_MS = 1_000
_PATIENCE_S = 10.0
_FIELD = b"e"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


class _Question(msgspec.Struct):
    """What the worker is asked: an answer, or vectors."""

    flow: Flow
    request: ModelRequest | None = None
    origin: Origin = NOBODY
    texts: tuple[str, ...] = ()


_read_question = msgspec.msgpack.Decoder(_Question).decode


def _keys(call_id: UUID) -> tuple[str, str, str]:
    """Return the keys of the question, the answer and the reader's sign of life."""
    return (
        tenant_key("call", call_id, "question"),
        tenant_key("call", call_id, "answer"),
        tenant_key("call", call_id, "reader"),
    )


# -- what crosses


def _event_of(message: Packed) -> ProviderEvent:
    try:
        return unpacked(message)
    except UnknownEvent:  # a worker of another release
        raise ProviderInterrupted from None


def _error_message(error: BaseException) -> Packed:
    if isinstance(error, KarenError):
        return ["error", error.code, error.details()]
    return ["error", ProviderInterrupted.code, {}]


def _error_of(code: str, details: dict[str, Any]) -> KarenError:
    match code:
        case ContextTooLong.code | NoModelAvailable.code | ModelNotFound.code:
            cls = {e.code: e for e in (ContextTooLong, NoModelAvailable, ModelNotFound)}[code]
            return cast("KarenError", cls(**details))
        case ProviderTimeout.code:
            return ProviderTimeout()
        case ProviderUnavailable.code:
            return ProviderUnavailable(**details)
        case ProviderRejected.code:
            return ProviderRejected()
        case ConfigurationError.code:
            return ConfigurationError()
        case _:
            return ProviderInterrupted()


# -- the end that asks


async def stream_in_worker(
    *, flow: Flow, request: ModelRequest, origin: Origin = NOBODY
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Ask a model in the worker; events as from `gateway.stream_batches`. Closing stops it.

    Raises:
        KarenError: As `gateway.stream_batches`, raised over there.
        ProviderUnavailable: No worker began within `START_S`.
        ProviderInterrupted: The worker died.
        ServiceUnavailable: Redis or the broker is away.
    """
    question = _Question(flow=flow, request=request, origin=origin)
    async with aclosing(_answers(ANSWER_TASK, question)) as entries:
        async for messages in entries:
            events = [_event_of(message) for message in messages]
            if events:
                yield events
            if events and isinstance(events[-1], Finished):
                return


async def embed_in_worker(
    *, flow: Flow, texts: Sequence[str], origin: Origin = NOBODY
) -> list[Embedding]:
    """Return one vector of unit length per text, in order, made in the worker.

    Raises:
        KarenError: As `gateway.embed` and `stream_in_worker`.
    """
    question = _Question(flow=flow, texts=tuple(texts), origin=origin)
    async with aclosing(_answers(EMBED_TASK, question)) as entries:
        async for messages in entries:
            for kind, *rest in messages:
                if kind == "vectors":
                    model, vectors = rest
                    return [Embedding(vector=array("f", v), model=model) for v in vectors]
    raise ProviderInterrupted


async def _answers(task: str, question: _Question) -> AsyncGenerator[list[Packed], None]:
    """Ask and yield what the worker writes; entries that only say it lives are left out."""
    call_id = new_id()
    keys = _keys(call_id)
    try:
        await _ask(keys, question)
        try:
            await platform_db(jobs.enqueue_now, task, call_id=call_id)
            async with aclosing(_entries(keys)) as entries:
                async for messages in entries:
                    if messages and messages[-1][0] == "error":
                        before = messages[:-1]
                        if before:
                            yield before
                        _kind, code, details = messages[-1]
                        raise _error_of(code, details)
                    yield messages
        finally:
            # Shielded: also whoever is being cancelled tells the worker.
            await asyncio.shield(_leave(keys))
    except redis.RedisError as error:
        raise ServiceUnavailable from error


async def _ask(keys: tuple[str, str, str], question: _Question) -> None:
    async with async_redis(RedisRole.STREAMS).pipeline(transaction=False) as pipe:
        _ = pipe.set(keys[0], _encode(question), ex=_EXPIRY_S)
        _ = pipe.set(keys[2], 1, ex=_READER_TTL_S)
        await pipe.execute()


async def _leave(keys: tuple[str, str, str]) -> None:
    with contextlib.suppress(redis.RedisError):  # the keys expire by themselves
        await async_redis(RedisRole.STREAMS).delete(*keys)


async def _entries(keys: tuple[str, str, str]) -> AsyncGenerator[list[Packed], None]:
    _question, answer, reader = keys
    client = async_redis(RedisRole.STREAMS, patience_s=_PATIENCE_S)
    loop = asyncio.get_running_loop()
    cursor, heard_at, begun, renewed_at = "0-0", loop.time(), False, loop.time()
    while True:
        found: Any = await client.xread({answer: cursor}, block=_BLOCK_MS)
        moment = loop.time()
        if moment - renewed_at > BEAT_S:
            await client.set(reader, 1, ex=_READER_TTL_S)
            renewed_at = moment
        for _key, entries in found or ():
            for id_, fields in entries:
                cursor, heard_at, begun = id_.decode(), moment, True
                messages = _decode(fields[_FIELD])
                if messages:
                    yield messages
        if not begun and moment - heard_at > START_S:
            raise ProviderUnavailable(retry_after_s=5)
        if begun and moment - heard_at > SILENT_S:
            raise ProviderInterrupted


# -- the end that answers, in the worker


async def answer_call(call_id: UUID, *, within_s: float) -> None:
    """Answer a question if it still waits and somebody still reads.

    Args:
        call_id: Which.
        within_s: Seconds after which the model is stopped.
    """
    keys = _keys(call_id)
    taken = await async_redis(RedisRole.STREAMS).getdel(keys[0])
    if taken is None:
        logger.info("call.not_waiting", call_id=str(call_id))
        return
    question = _read_question(cast("bytes", taken))
    await _Reply(keys, question).run(within_s)


class _Reply:
    """One answer on its way back."""

    def __init__(self, keys: tuple[str, str, str], question: _Question) -> None:
        self._keys = keys
        self._question = question
        self._waiting: list[Packed] = []
        self._wake = asyncio.Event()

    async def run(self, within_s: float) -> None:
        model = asyncio.create_task(self._produce(within_s))
        try:
            await self._append()  # "begun"
            while not model.done() or self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await self._wake.wait()
                self._wake.clear()
                if not await self._append():
                    logger.info("call.reader_gone")
                    return
                await asyncio.sleep(0 if model.done() else COALESCE_S)
            unforeseen = model.exception()
            if unforeseen is not None:
                self._waiting.append(_error_message(unforeseen))
                await self._append()
                raise unforeseen  # it becomes a dead letter
        finally:
            model.cancel()
            await asyncio.gather(model, return_exceptions=True)

    async def _produce(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                async for messages in self._messages():
                    self._waiting += messages
                    self._wake.set()
        except TimeoutError:
            self._waiting.append(_error_message(ProviderTimeout()))
        except KarenError as error:
            self._waiting.append(_error_message(error))
        finally:
            self._wake.set()

    async def _messages(self) -> AsyncIterator[list[Packed]]:
        flow, request = self._question.flow, self._question.request
        if request is None:
            made = await gateway.embed(
                flow=flow, texts=self._question.texts, origin=self._question.origin
            )
            yield [["vectors", made[0].model if made else "", [list(e.vector) for e in made]]]
            return
        answer = gateway.stream_batches(flow=flow, request=request, origin=self._question.origin)
        async with aclosing(answer) as batches:
            async for batch in batches:
                yield [packed(event) for event in batch]

    async def _append(self) -> bool:
        """Write what waits, or just a sign of life; say whether somebody still reads."""
        messages, self._waiting = self._waiting, []
        _question, answer, reader = self._keys
        async with async_redis(RedisRole.STREAMS).pipeline(transaction=False) as pipe:
            _ = pipe.exists(reader)
            _ = pipe.xadd(answer, {_FIELD: _encode(messages)})
            _ = pipe.expire(answer, _EXPIRY_S)
            there, *_written = await pipe.execute()
        return bool(there)
