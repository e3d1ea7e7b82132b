"""OpenAI's `POST /v1/embeddings`, well or badly; a part of `tests.stubs.upstream`.

A text's vector follows from its words: texts that share words are alike. The model's name says how
it behaves; a number at its end sets the dimensions (`embed-8`), else `dimensions`, else 384.

| model | behaviour |
|---|---|
| `embed`, `embed-other` | two models, whose vectors have nothing in common |
| `embed-slow-first` | the first request of each text is never answered |
| `embed-slow` | 300 ms |
| `embed-shuffled` | rows in another order than the texts |
| `embed-short` | one row is missing |
| `embed-zero` | vectors of length zero |
| `embed-garbage` | no JSON |
| `embed-no-usage` | usage is left out |

What refuses there refuses here, `first-<refusal>` only the first time.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

DIMENSIONS = 384
SLOW_S = 0.3
_KNOWN = {"model", "input", "encoding_format", "dimensions"}


def vector_of(model: str, text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return the vector of a text; not of unit length."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(f"{model}|{word}".encode()).digest()
        for at in range(0, 16, 2):
            place = int.from_bytes(digest[at : at + 2], "big") % dimensions
            vector[place] += 1.0 if digest[16 + at] % 2 else -1.0
    return vector if any(vector) else [1.0, *vector[1:]]


class EmbeddingsStub:
    """The handler with what it has seen.

    Attributes:
        bodies: Every accepted request body, in order.
        dropped: Set when a reader goes away before its answer.
    """

    def __init__(
        self, *, refusals: Mapping[str, Callable[[], web.Response]], closing: asyncio.Event
    ) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.dropped = asyncio.Event()
        self._refusals = refusals
        self._closing = closing
        self._seen: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.json()
        texts = body.get("input")
        fits = set(body) <= _KNOWN and isinstance(texts, list) and all(texts)
        if not fits or body.get("encoding_format", "float") != "float":
            return web.json_response({"error": {"code": "invalid"}}, status=400)
        self.bodies.append(body)
        model: str = body["model"]
        self._seen[f"{model}|{texts}"] += 1
        first = self._seen[f"{model}|{texts}"] == 1
        refusal = model.removeprefix("first-")
        if refusal in self._refusals and (first or refusal == model):
            return self._refusals[refusal]()
        if model == "embed-slow-first" and first:
            await self._until_dropped(request)
        if model == "embed-slow":
            await asyncio.sleep(SLOW_S)
        return self._vectors(model, texts, body.get("dimensions"))

    async def _until_dropped(self, request: web.Request) -> None:
        while request.transport is not None and not request.transport.is_closing():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), 0.02)
                return
        self.dropped.set()

    def _vectors(self, model: str, texts: list[str], wanted: int | None) -> web.Response:
        number = re.search(r"-(\d+)$", model)
        dimensions = int(number[1]) if number else wanted or DIMENSIONS
        rows = [
            {"object": "embedding", "index": at, "embedding": vector_of(model, text, dimensions)}
            for at, text in enumerate(texts)
        ]
        tokens = sum(len(text.split()) for text in texts)
        usage: dict[str, Any] = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
        match model:
            case "embed-garbage":
                return web.Response(text="{not json", content_type="application/json")
            case "embed-shuffled":
                rows.reverse()
            case "embed-short":
                rows.pop()
            case "embed-zero":
                rows[0]["embedding"] = [0.0] * dimensions
            case "embed-no-usage":
                usage = {}
        return web.Response(
            text=json.dumps({"object": "list", "model": model, "data": rows, **usage}),
            content_type="application/json",
        )
