"""The seam for assistants: `karen` and `karen/<persona>` as models of this API.

An assistant's answer is a turn through `apps.conversations.hub`, with memory, knowledge and tools.
It joins here: `list_assistants` names them, and `stream_assistant` submits the turn and yields its
events as the gateway would. Until then none is listed and asking for one says that it is not there.
"""

from collections.abc import AsyncGenerator

from apps.api.openai.caller import Caller
from apps.providers.contracts import ModelInfo, ModelRequest, ProviderEvent
from apps.providers.errors import ModelNotFound

ASSISTANT = "karen"


def is_assistant(model_id: str) -> bool:
    """Say whether a model id means an assistant rather than a plain model."""
    return model_id == ASSISTANT or model_id.startswith(f"{ASSISTANT}/")


def list_assistants(_caller: Caller) -> tuple[str, ...]:
    """Return the ids of the assistants that the caller may ask."""
    return ()


def described(model_id: str) -> ModelInfo:
    """Return what the checks of a request need to know of an assistant.

    Raises:
        ModelNotFound: There is no such assistant.
    """
    raise ModelNotFound(model=model_id)


def stream_assistant(
    _caller: Caller, request: ModelRequest
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Answer with an assistant; batches of events, the last of which is `Finished`.

    Raises:
        ModelNotFound: There is no such assistant.
    """
    raise ModelNotFound(model=request.model)
