"""`GET /v1/models` and `GET /v1/models/{id}` – and how handlers find a model."""

from contextlib import suppress
from typing import Any

from apps.api.exchange import Exchange
from apps.api.openai import assistants
from apps.api.openai.caller import Caller
from apps.api.openai.failover import AUTO
from apps.providers import registry, selectors
from apps.providers.contracts import ModelInfo
from apps.providers.errors import ModelNotFound, NoModelAvailable

_CREATED = 1_767_225_600  # models here have no birthday; clients insist on one


def find_plain_model(model_id: str) -> ModelInfo:
    """Return the plain model with this id.

    Raises:
        ModelNotFound: Nothing configured has this id.
    """
    return selectors.get_model(model_id)


def _described(model_id: str) -> dict[str, Any]:
    owner = assistants.ASSISTANT if model_id == AUTO else model_id.partition("/")[0]
    return {"id": model_id, "object": "model", "created": _CREATED, "owned_by": owner}


def _ids(caller: Caller) -> list[str]:
    models = [model.id for model in selectors.list_models()]
    ids = [*assistants.list_assistants(caller), *([AUTO] if len(models) > 1 else ()), *models]
    with suppress(NoModelAvailable):  # chat works without
        ids.append(registry.embedder().model)
    return ids


async def answer_models(exchange: Exchange, caller: Caller) -> None:
    """List what can be asked."""
    await exchange.answer({"object": "list", "data": [_described(each) for each in _ids(caller)]})


async def answer_model(exchange: Exchange, caller: Caller) -> None:
    """Describe one model.

    Raises:
        ModelNotFound: There is none with this id.
    """
    wanted = exchange.path.partition("/models/")[2].rstrip("/")
    if wanted not in _ids(caller):
        raise ModelNotFound(model=wanted)
    await exchange.answer(_described(wanted))
