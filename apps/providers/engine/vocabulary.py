"""Counting tokens as a GGUF model does, with the vocabulary of its own file.

Only the vocabulary is loaded, apart from the engine's model, which belongs to its own thread. A
vocabulary takes some megabytes and is kept for the life of the process.
"""

import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llama_cpp

from apps.core.logging import get_logger
from apps.providers import catalogue, trust
from apps.providers.contracts import ModelInfo, TokenCounter
from apps.providers.engine.native import start_backend
from apps.providers.errors import ConfigurationError

logger = get_logger(__name__)

# Role markers and line ends of common chat templates: `<|im_start|>user\n…<|im_end|>\n`.
_PER_MESSAGE = 6


@cache
def _counting(path: Path, _changed_ns: int) -> Callable[[str], int]:
    trust.register_new(path)
    trust.verify(path)
    start_backend()
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    parameters.n_gpu_layers = 0
    model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    if not model:
        raise ConfigurationError(f"the vocabulary of {path.name} does not load")
    vocabulary: Any = llama_cpp.llama_model_get_vocab(model)
    lock = threading.Lock()
    nowhere = (llama_cpp.llama_token * 0)()  # too short for any text: it answers with the size

    def count(text: str) -> int:
        data = text.encode("utf-8", "replace")
        if not data:
            return 0
        with lock:
            needed = llama_cpp.llama_tokenize(vocabulary, data, len(data), nowhere, 0, False, False)
        return abs(int(needed))  # negative, as nothing fitted

    return count


def _forget_after_fork() -> None:
    _counting.cache_clear()  # without freeing: the memory is the parent's


os.register_at_fork(after_in_child=_forget_after_fork)


def counter_for(model: ModelInfo) -> TokenCounter | None:
    """Return the tokenizer of a local model; None when its file does not serve."""
    path = catalogue.local_files().get(model.id.partition("/")[2])
    if path is None:
        return None
    try:
        counting = _counting(path, path.stat().st_mtime_ns)
    except (ConfigurationError, FileNotFoundError) as error:
        logger.warning("local_model.no_vocabulary", file=path.name, reason=str(error))
        return None
    return TokenCounter(name=path.name, count=counting, per_message=_PER_MESSAGE, exact=True)
