"""Embedding models behind an endpoint that speaks OpenAI's `POST /embeddings`.

The SDK signs and sends; the answer is decoded here, because what comes back is nearly only
numbers. Vectors are checked before anybody stores them: their number, their order, their length.
"""

import math
from array import array
from collections.abc import Sequence

import httpx2
import msgspec

from apps.providers.adapters.openai_compatible import (
    TRANSLATED,
    OpenAICompatibleAdapter,
    translate,
)
from apps.providers.contracts import VectorBatch
from apps.providers.domain.profiles import shortens_embeddings
from apps.providers.errors import ConfigurationError, ProviderInterrupted

TIMEOUT = httpx2.Timeout(connect=5.0, read=30.0, write=30.0, pool=5.0)


class _Row(msgspec.Struct):
    embedding: list[float]
    index: int


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Row]
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class OpenAIEmbedAdapter:
    """Asks the endpoint in `OPENAI_BASE_URL` for vectors of one model."""

    def __init__(self, name: str, dimensions: int) -> None:
        self._name = name
        self._dimensions = dimensions
        self._endpoint = OpenAICompatibleAdapter(timeout=TIMEOUT)

    async def embed(self, texts: Sequence[str]) -> VectorBatch:
        """Return one vector of unit length per text, in order.

        Raises:
            ProviderUnavailable: Not reachable, overloaded, rate limited (or `ProviderTimeout`).
            ProviderInterrupted: The answer is cut or does not answer what was asked.
            ProviderRejected: The request is refused.
            ConfigurationError: Key, address or model are wrong, or its vectors have another length.
        """
        body: dict[str, object] = {
            "model": self._name,
            "input": [text or " " for text in texts],  # an empty text is refused by some
            "encoding_format": "float",  # local servers know no other
        }
        if shortens_embeddings(self._name):
            body["dimensions"] = self._dimensions
        try:
            embeddings = self._endpoint.client().embeddings.with_raw_response
            response = await embeddings.create(model=self._name, input=[], extra_body=body)
            answer = _decode(response.content)
        except TRANSLATED as error:
            raise translate(error) from error
        rows = sorted(answer.data, key=lambda row: row.index)
        if [row.index for row in rows] != list(range(len(texts))):
            raise ProviderInterrupted
        return VectorBatch(
            vectors=[self._unit(row.embedding) for row in rows],
            tokens=answer.usage.prompt_tokens if answer.usage else None,
        )

    def _unit(self, numbers: list[float]) -> "array[float]":
        if len(numbers) != self._dimensions:
            raise ConfigurationError(
                f"the embedding model {self._name} returns {len(numbers)} dimensions; "
                f"vectors are stored with {self._dimensions}"
            )
        length = math.sqrt(sum(number * number for number in numbers))
        if not math.isfinite(length) or length == 0.0:
            raise ProviderInterrupted
        return array("f", (number / length for number in numbers))

    async def aclose(self) -> None:
        """Close the running event loop's connections."""
        await self._endpoint.aclose()
