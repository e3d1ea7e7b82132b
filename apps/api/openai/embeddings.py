"""`POST /v1/embeddings`. A local model lives in a worker, never in the web process."""

import base64
from typing import TYPE_CHECKING, Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext as _

from apps.api.errors import ParameterInvalid, ParameterUnsupported
from apps.api.exchange import Exchange
from apps.api.openai import parsing
from apps.api.openai.caller import Caller
from apps.providers import gateway, pipe, registry
from apps.providers.contracts import Embedding, Flow, Origin
from apps.providers.domain.estimates import estimated_tokens
from apps.providers.errors import ModelNotFound
from apps.providers.gateway import MAX_EMBED_TEXTS

if TYPE_CHECKING:
    from array import array  # not subscriptable at run time before Python 3.12


class EmbeddingsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body; `user` is passed over, other fields that nobody knows are refused by name."""

    model: str
    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: int | None = None
    user: Any = None


decode_embeddings = msgspec.json.Decoder(EmbeddingsRequest).decode


async def answer_embeddings(exchange: Exchange, caller: Caller) -> None:
    """Turn texts into vectors.

    Raises:
        ParameterInvalid: Something in the request does not fit.
        ParameterUnsupported: Tokens instead of texts, or another length of vectors.
        ModelNotFound: This is not the embedding model here.
        KarenError: As `gateway.embed` and `pipe.embed_in_worker`.
    """
    body = await exchange.body(limit=settings.API_BODY_MAX_BYTES)
    asked = parsing.parsed(decode_embeddings, body)
    texts = _texts(asked)
    _check(asked)
    async with exchange.while_client_waits():
        made = await _made(texts, caller.origin)
        as_text = asked.encoding_format == "base64"
        await exchange.answer(_document(asked.model, made, texts, as_text=as_text))


async def _made(texts: list[str], origin: Origin) -> list[Embedding]:
    if registry.embedder().remote:
        return await gateway.embed(flow=Flow.API_EMBEDDING, texts=texts, origin=origin)
    return await pipe.embed_in_worker(flow=Flow.API_EMBEDDING, texts=texts, origin=origin)


def _check(asked: EmbeddingsRequest) -> None:
    embedder = registry.embedder()
    if asked.model != embedder.model:
        raise ModelNotFound(model=asked.model)
    if asked.encoding_format not in {None, "float", "base64"}:
        raise ParameterInvalid("encoding_format", _("encoding_format is float or base64."))
    if asked.dimensions not in {None, embedder.dimensions}:
        text = _("This model's vectors have %(count)d dimensions.") % {"count": embedder.dimensions}
        raise ParameterUnsupported("dimensions", text)


def _texts(asked: EmbeddingsRequest) -> list[str]:
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    if any(isinstance(each, int | list) for each in texts):
        raise ParameterUnsupported("input", _("Send texts: tokens differ from model to model."))
    if not all(isinstance(each, str) and each for each in texts):
        raise ParameterInvalid("input", _("input is one text or several, none empty."))
    if not 1 <= len(texts) <= MAX_EMBED_TEXTS:
        raise ParameterInvalid("input", _("Between 1 and 1024 texts at a time."))
    return texts


def _vector(vector: "array[float]", *, as_text: bool) -> list[float] | str:
    # array("f") is what the base64 form wants: 32-bit floats, little-endian on what we run on.
    return base64.b64encode(vector.tobytes()).decode() if as_text else vector.tolist()


def _document(
    model: str, made: list[Embedding], texts: list[str], *, as_text: bool
) -> dict[str, Any]:
    tokens = sum(estimated_tokens(len(text.encode())) for text in texts)
    data = [
        {"object": "embedding", "index": at, "embedding": _vector(each.vector, as_text=as_text)}
        for at, each in enumerate(made)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}
