"""The real embedding model: golden vectors, and a text's vector does not depend on company."""

import math
from typing import TYPE_CHECKING

import pytest
from pytest_django.fixtures import Settings

from apps.providers import builtin, gateway
from apps.providers.contracts import Flow
from apps.providers.vectors import known_vectors

if TYPE_CHECKING:
    from array import array

pytest.importorskip("onnxruntime")

TEXTS = (
    "A man is eating food.",
    "Someone is having a meal.",
    "The stock market crashed today.",
    "Paris",
)
# Made once with onnxruntime 1.31.1 on x86-64; 8-bit kernels differ a little between processors.
GOLDEN = (
    (0.03095187, 0.00667076, -0.00437296, 0.04750628),
    (-0.006542, 0.02988746, -0.01946316, 0.01180943),
    (0.05508583, -0.02533542, 0.03908094, 0.04516348),
    (0.08234092, 0.0194721, 0.02737044, -0.0381593),
)


def cosine(first: "array[float]", second: "array[float]") -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


@pytest.fixture(autouse=True)
def no_redis(settings: Settings) -> None:
    settings.EMBEDDING_CACHE_S = 0


async def embed(*texts: str) -> "list[array[float]]":
    known_vectors.clear()  # the model itself is what is tested
    builtin.register_all()
    return [each.vector for each in await gateway.embed(flow=Flow.EMBED_TEXT, texts=texts)]


async def test_golden_vectors() -> None:
    for vector, expected in zip(await embed(*TEXTS), GOLDEN, strict=True):
        assert len(vector) == 384
        assert list(vector[:4]) == pytest.approx(expected, abs=0.02)


async def test_vectors_have_unit_length() -> None:
    for vector in await embed(*TEXTS, "x " * 2000):
        assert math.sqrt(cosine(vector, vector)) == pytest.approx(1.0, abs=1e-5)


async def test_batch_equals_single() -> None:
    texts = (*TEXTS, "long " * 120, "a b c d e f")
    together = await embed(*texts)
    for text, vector in zip(texts, together, strict=True):
        (alone,) = await embed(text)
        assert cosine(alone, vector) > 0.99999


async def test_related_sentences_are_closer() -> None:
    food, meal, market, _ = await embed(*TEXTS)
    assert cosine(food, meal) > 0.6
    assert cosine(food, market) < 0.2


async def test_a_text_is_represented_by_its_first_256_tokens() -> None:
    beginning = "word " * 254  # two tokens are added around it
    first, second = await embed(beginning, beginning + "something quite different at the end")
    assert cosine(first, second) > 0.99999


async def test_nothing_is_embedded_for_nothing() -> None:
    assert await embed() == []
