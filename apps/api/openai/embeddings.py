"""`POST /v1/embeddings`."""

from apps.api.openai.caller import Caller
from apps.api.openai.exchange import Exchange
from apps.core.errors import NotFound


async def answer_embeddings(exchange: Exchange, caller: Caller) -> None:
    raise NotFound
