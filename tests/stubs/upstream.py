"""A real HTTP server that speaks OpenAI's chat completions, well or badly.

The model's name says how it behaves (`BEHAVIOURS`); a number at its end sets the number of words
(`plain-50`). Request bodies are checked as strictly as the original does. Start it in a test with
`running_upstream()` or by hand: `python -m tests.stubs.upstream --port 9000`.

| model | behaviour |
|---|---|
| `plain` | streams words |
| `slow` | the same, 50 ms before each word |
| `no-usage` | never reports usage |
| `odd-usage`, `negative-usage`, `vast-usage` | reports words, less than nothing, a billion tokens |
| `reasoning` | thinks first |
| `tools` | asks for a tool, its arguments in pieces |
| `agent` | asks at once for the tools in the question's lines `call NAME {json}`, then answers |
| `agent-once` | the same, but 500 from the second request on |
| `rate-limited` | 429, `Retry-After: 0` |
| `rate-limited-long` | 429, `Retry-After: 60` |
| `broken` | 500 |
| `unauthorized`, `no-credit`, `unknown-model` | 401, 429 with `insufficient_quota`, 404 |
| `too-long`, `refused` | 400 with and without `context_length_exceeded` |
| `redirect` | 307 to another address |
| `to-metadata` | 307 to the address of clouds' metadata |
| `slow-headers` | two seconds before the headers |
| `hang` | accepts and never answers |
| `hang-midway` | two words, then silence |
| `slow-end` | the whole answer, then silence instead of the end |
| `cut` | two words, then the connection breaks |
| `cut-early` | headers, then the connection breaks |
| `cut-late` | the connection breaks after the finish reason |
| `no-finish` | ends politely without a finish reason |
| `garbage` | two words, then something that is no JSON |
| `truncated` | two words, then half a chunk and a polite end |
| `long-line` | one chunk of ten megabytes |
| `error-event` | two words, then an error inside the stream |
| `huge` | one endless line |

`POST /v1/embeddings` is answered by `tests.stubs.embeddings`.

A latency profile (`ttft=300,itl=20,len=400`, with or without `stub/`) is understood as well, by the
parser of Karen's own stub provider; such a model says the same words as that one.

`first-<behaviour>` behaves so at the first request and like `plain` afterwards.
"""

import argparse
import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

from aiohttp import web

from apps.providers.domain import stub
from tests.stubs.embeddings import EmbeddingsStub

Body: TypeAlias = dict[str, Any]

WORDS = 8
SECRET = "stub-internal-detail"  # stands in every error body; must never reach our clients
SLOW_S = 0.05
_SLOW_HEADERS_S = 2.0
_ROLES = {"system", "developer", "user", "assistant", "tool"}
_KNOWN = {
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "min_p",
    "model",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "verbosity",
}
_CALL = re.compile(r"call (?P<name>[\w-]+) (?P<arguments>.*)")


def _error(status: int, code: str, *, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": f"{SECRET}: {code}", "type": code, "code": code, "param": None}}
    return web.json_response(body, status=status, headers=headers)


REFUSALS: dict[str, Callable[[], web.Response]] = {
    "rate-limited": lambda: _error(429, "rate_limit_exceeded", headers={"Retry-After": "0"}),
    "rate-limited-long": lambda: _error(429, "rate_limit_exceeded", headers={"Retry-After": "60"}),
    "broken": lambda: _error(500, "server_error"),
    "unauthorized": lambda: _error(401, "invalid_api_key"),
    "no-credit": lambda: _error(429, "insufficient_quota"),
    "unknown-model": lambda: _error(404, "model_not_found"),
    "too-long": lambda: _error(400, "context_length_exceeded"),
    "refused": lambda: _error(400, "invalid_prompt"),
    "redirect": lambda: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/v1/"}),
    "to-metadata": lambda: web.Response(
        status=307, headers={"Location": "http://169.254.169.254/latest/meta-data/"}
    ),
}


def _has_content(message: Body) -> bool:
    content = message.get("content")
    if isinstance(content, list) and message["role"] == "user":
        kinds = {"text": "text", "image_url": "image_url"}
        return bool(content) and all(kinds.get(part.get("type"), "") in part for part in content)
    return isinstance(content, str) or (content is None and bool(message.get("tool_calls")))


def _unanswered_calls(messages: list[Body]) -> bool:
    """Say whether a call has no answer right behind it, or an answer no call before it."""
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                return True
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            return True
        for call in message.get("tool_calls") or ():
            json.loads(call["function"]["arguments"])
            waiting.add(call["id"])
    return bool(waiting)


def _text_of(message: Body) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def problem_of(body: object) -> str:
    """Return what is wrong with a request body; empty when it is in order."""
    if not isinstance(body, dict):
        return "the body is not an object"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages is missing"
    for message in messages:
        if message.get("role") not in _ROLES or not _has_content(message):
            return "a message has no known role or no text"
    if _unanswered_calls(messages):
        return "tool calls and tool messages do not fit"
    tokens = body.get("max_tokens", body.get("max_completion_tokens", 1))
    options = body.get("stream_options")
    checks = {
        "unknown field": set(body) <= _KNOWN,
        "model is missing": isinstance(body.get("model"), str),
        "tool_choice without tools": not body.get("tool_choice") or bool(body.get("tools")),
        "parallel_tool_calls without tools": "parallel_tool_calls" not in body or "tools" in body,
        "stream_options without stream": options is None or body.get("stream") is True,
        "max_tokens is not a positive number": isinstance(tokens, int) and tokens > 0,
        "temperature is out of range": 0 <= body.get("temperature", 0) <= 2,
    }
    return next((name for name, passed in checks.items() if not passed), "")


def _sse(document: object) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


class _Answer:
    """The chunks of one answer."""

    def __init__(self, body: Body, words: int) -> None:
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or words
        self.count = min(words, limit)
        self._model = body["model"]
        self._whole = self.count == words
        self._prompt_tokens = sum(len(_text_of(each).split()) for each in body["messages"])
        self.messages: list[Body] = body["messages"]
        self.tools: list[Body] = body.get("tools") or []

    def chunk(self, delta: Body, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._document({"choices": [choice], "usage": None})

    def word(self, number: int) -> bytes:
        return self.chunk({"content": f"word{number} "})

    def finish(self, reason: str | None = None) -> bytes:
        return self.chunk({}, reason or ("stop" if self._whole else "length"))

    def usage(self) -> bytes:
        total = self._prompt_tokens + self.count
        usage = {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self.count,
            "total_tokens": total,
        }
        return self.reported(usage)

    def reported(self, usage: Body) -> bytes:
        return self._document({"choices": [], "usage": usage})

    def _document(self, fields: Body) -> bytes:
        base = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1}
        return _sse({**base, "model": self._model, **fields})


_Write: TypeAlias = Callable[[bytes], Awaitable[None]]


class _Paced:
    """An answer at the pace of a latency profile, kept by the clock."""

    def __init__(self, answer: _Answer, profile: stub.StubProfile) -> None:
        self._answer = answer
        self._profile = profile

    async def write(self, write: _Write) -> bool:
        answer, profile = self._answer, self._profile
        loop = asyncio.get_running_loop()
        started = loop.time()
        await write(answer.chunk({"role": "assistant", "content": ""}))
        called = self._results_since_question()
        if answer.tools and called < profile.tools:
            await asyncio.sleep(profile.due_s(0))
            name = answer.tools[called % len(answer.tools)]["function"]["name"]
            call = {"index": 0, "id": f"stub_{called + 1}", "type": "function"}
            function = {"name": name, "arguments": "{}"}
            await write(answer.chunk({"tool_calls": [{**call, "function": function}]}))
            await write(answer.finish("tool_calls"))
        else:
            question = next(
                (m["content"] for m in reversed(answer.messages) if m["role"] == "user"), ""
            )
            for number, word in enumerate(stub.words(question, answer.count)):
                pause = started + profile.due_s(number) - loop.time()
                if pause > 0:
                    await asyncio.sleep(pause)
                await write(answer.chunk({"content": word}))
            await write(answer.finish())
        await write(answer.usage())
        await write(b"data: [DONE]\n\n")
        return True

    def _results_since_question(self) -> int:
        roles = [message["role"] for message in self._answer.messages]
        last = len(roles) - 1 - roles[::-1].index("user") if "user" in roles else -1
        return roles[last + 1 :].count("tool")


class Upstream:
    """The server with what it has seen.

    Attributes:
        bodies: Every accepted request body, in order.
        headers: The headers of every accepted request, names in lower case.
        calls: Number of requests by model.
        embeddings: The half that answers `POST /v1/embeddings`.
        lists: The `Authorization` of every request for the list of models.
        list_status: With what the list of models is answered.
        list_key: The key without which the list is refused; empty for none.
        next_drop: Set when the reader of an answer goes away before its end.
    """

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.calls: Counter[str] = Counter()
        self.lists: list[str] = []
        self.list_status = 200
        self.list_key = ""
        self.next_drop = asyncio.Event()
        self.base_url = ""
        self._closing = asyncio.Event()
        self.embeddings = EmbeddingsStub(refusals=REFUSALS, closing=self._closing)
        self._runner: web.AppRunner | None = None

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the base URL; port 0 takes a free one."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/embeddings", self.embeddings.answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://{host}:{port}/v1"
        return self.base_url

    async def stop(self) -> None:
        """Break off every answer and stop listening."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        offered = request.headers.get("Authorization", "")
        self.lists.append(offered)
        if self.list_key and offered != f"Bearer {self.list_key}":
            return _error(401, "invalid_api_key")
        if self.list_status != 200:
            return _error(self.list_status, "list_refused")
        return web.json_response({"object": "list", "data": [{"id": "plain", "object": "model"}]})

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return _error(400, "invalid_json")
        problem = problem_of(body)
        if problem:
            return _error(400, problem.replace(" ", "_"))
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        model = body["model"]
        self.calls[model] += 1
        if stub.looks_like_profile(model):
            return await self._paced(request, body)
        behaviour, _, number = (
            model.rpartition("-") if re.search(r"-\d+$", model) else (model, "", "")
        )
        if behaviour.startswith("first-"):
            behaviour = behaviour.removeprefix("first-") if self.calls[model] == 1 else "plain"
        if behaviour == "agent-once":
            behaviour = "agent" if self.calls[model] == 1 else "broken"
        if behaviour in REFUSALS:
            return REFUSALS[behaviour]()
        if behaviour == "hang":
            await self._closing.wait()
            return _error(503, "stopped")
        if behaviour == "slow-headers":
            await asyncio.sleep(_SLOW_HEADERS_S)
        answer = _Answer(body, int(number or WORDS))
        return await self._streamed(
            request, lambda write: self._write_answer(write, answer, behaviour)
        )

    async def _paced(self, request: web.Request, body: Body) -> web.StreamResponse:
        try:
            profile = stub.parse_profile(body["model"])
        except stub.BadProfile as error:
            return _error(404, f"model_not_found ({error})")
        return await self._streamed(request, _Paced(_Answer(body, profile.length), profile).write)

    async def _streamed(
        self, request: web.Request, write_answer: Callable[["_Write"], Awaitable[bool]]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def write(data: bytes) -> None:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            await response.write(data)

        try:
            whole = await write_answer(write)
        except ConnectionResetError:
            self.next_drop.set()
            return response
        if not whole and request.transport is not None:
            request.transport.abort()
        return response

    async def _write_answer(self, write: _Write, answer: _Answer, behaviour: str) -> bool:
        """Write an answer; return False when the connection is to break."""
        if behaviour == "cut-early":
            return False
        await write(answer.chunk({"role": "assistant", "content": ""}))
        if behaviour == "reasoning":
            for thought in ("Let ", "me ", "think."):
                await write(answer.chunk({"reasoning_content": thought}))
        if behaviour in {"tools", "agent"}:
            asking = self._write_tool if behaviour == "tools" else self._act
            await asking(write, answer)
            return True
        return await self._write_words(write, answer, behaviour)

    async def _write_words(self, write: _Write, answer: _Answer, behaviour: str) -> bool:
        for number in range(1, answer.count + 1):
            if number == 3 and behaviour in _MIDWAY:
                return await self._go_wrong(write, answer, behaviour)
            if behaviour == "slow":
                await self._pause(SLOW_S)
            await write(answer.word(number))
        if behaviour == "no-finish":
            await write(b"data: [DONE]\n\n")
            return True
        await write(answer.finish())
        if behaviour == "cut-late":
            return False
        if behaviour == "slow-end":
            await self._closing.wait()
        if behaviour in _USAGES:
            await write(answer.reported(_USAGES[behaviour]))
        elif behaviour != "no-usage":
            await write(answer.usage())
        await write(b"data: [DONE]\n\n")
        return True

    async def _go_wrong(self, write: _Write, answer: _Answer, behaviour: str) -> bool:
        if behaviour == "hang-midway":
            await self._closing.wait()
        elif behaviour == "garbage":
            await write(b"data: {not json\n\n")
            return True
        elif behaviour == "error-event":
            await write(_sse({"error": {"message": SECRET, "type": "server_error"}}))
            return True
        elif behaviour == "truncated":
            await write(answer.word(3)[:40])
            return True
        elif behaviour == "long-line":
            await write(answer.chunk({"content": "x" * 10_000_000}))
        elif behaviour == "huge":
            await write(b"data: ")
            for _ in range(128):
                await write(b"x" * 65536)
        return False

    async def _write_tool(self, write: _Write, answer: _Answer) -> None:
        start = {"index": 0, "id": "call_1", "type": "function"}
        await write(
            answer.chunk({"tool_calls": [{**start, "function": {"name": "add", "arguments": ""}}]})
        )
        for piece in ('{"a": 1', ', "b": 2}'):
            await write(
                answer.chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            )
        await write(answer.finish("tool_calls"))
        await write(answer.usage())
        await write(b"data: [DONE]\n\n")

    async def _act(self, write: _Write, answer: _Answer) -> None:
        asked = max(i for i, m in enumerate(answer.messages) if m["role"] == "user")
        question, after = answer.messages[asked], answer.messages[asked + 1 :]
        results = [each["content"] for each in after if each["role"] == "tool"]
        calls = [] if results else _CALL.findall(_text_of(question))
        for index, (name, _) in enumerate(calls):
            start = {"index": index, "id": f"call_{index}", "type": "function"}
            function = {"name": name, "arguments": ""}
            await write(answer.chunk({"tool_calls": [{**start, "function": function}]}))
        longest = max((len(arguments) for _, arguments in calls), default=0)
        for place in range(0, longest, 5):
            pieces = [
                {"index": index, "function": {"arguments": arguments[place : place + 5]}}
                for index, (_, arguments) in enumerate(calls)
            ]
            await write(answer.chunk({"tool_calls": pieces}))
        if not calls:
            await write(answer.chunk({"content": f"They said: {' | '.join(results)}"}))
        await write(answer.finish("tool_calls" if calls else "stop"))
        await write(answer.usage())
        await write(b"data: [DONE]\n\n")

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)


_MIDWAY = {"cut", "hang-midway", "garbage", "error-event", "huge", "truncated", "long-line"}
_USAGES: dict[str, Body] = {
    "odd-usage": {"prompt_tokens": "some", "completion_tokens": [7]},
    "negative-usage": {"prompt_tokens": -5, "completion_tokens": -7},
    "vast-usage": {"prompt_tokens": 3, "completion_tokens": 1_000_000_000},
}
BEHAVIOURS = frozenset(
    {"plain", "slow", "no-usage", "reasoning", "tools", "agent", "hang", "slow-end", "cut-early"}
    | {"cut-late", "no-finish", "slow-headers"}
    | set(_USAGES)
    | _MIDWAY
    | set(REFUSALS)
)


@asynccontextmanager
async def running_upstream() -> AsyncIterator[Upstream]:
    """Run the server on a free port of the loopback interface."""
    upstream = Upstream()
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()


async def _serve(host: str, port: int) -> None:
    upstream = Upstream()
    url = await upstream.start(host=host, port=port)
    print(f"OPENAI_BASE_URL={url}", flush=True)  # noqa: T201  # for whoever started it
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(chosen.host, chosen.port))
