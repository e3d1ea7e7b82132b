"""A sentence embedding model in ONNX format on the CPU.

Only texts of equal length share a batch: without padding a text's vector cannot depend on its
neighbours, and short texts do not pay for long ones (64 mixed texts on two cores: 0.45 s one by
one, 0.75 s as one padded batch; equal texts gain another third together).
"""

import asyncio
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import onnxruntime
import tokenizers
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
)

from apps.core.logging import get_logger
from apps.providers.errors import ConfigurationError

logger = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MAX_TOKENS = 256  # what the model was trained on; the rest of a text is cut
BATCH = 8  # more bring nothing, and long ones leave the processor's caches
_THREADS = 2  # of one evaluation; more bring nothing at this size


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")


async def in_worker(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work of an embedding model on its own thread."""
    context = copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_executor(), lambda: context.run(function, *args, **kwargs))


class SentenceModel:
    """A loaded model with its tokenizer; mean pooling, vectors of unit length."""

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        """Load both files.

        Raises:
            ConfigurationError: One of them does not load.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(_THREADS, os.cpu_count() or 1)
        options.inter_op_num_threads = 1
        # Threads that wait busily for each other take the cores from everybody else: beside other
        # processes an evaluation took twice as long, and twice as much of the processor.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(weights), options, providers=["CPUExecutionProvider"]
            )
        except (Fail, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
            raise ConfigurationError(f"{weights} does not load") from error
        self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        logger.info("embedding_model.loaded", file=weights.name)

    def embed(self, texts: Sequence[str]) -> "list[array[float]]":
        """Return one vector of unit length per text, in order."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch([*texts])]
        vectors: dict[int, array[float]] = {}
        for indexes in equal_lengths([len(each) for each in ids]):
            rows = self._run([ids[index] for index in indexes])
            for index, row in zip(indexes, rows, strict=True):
                vectors[index] = array("f", row.tobytes())
        return [vectors[index] for index in range(len(texts))]

    def _run(self, ids: Sequence[Sequence[int]]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        tokens = np.asarray(ids, dtype=np.int64)
        (hidden,) = self._session.run(
            ["last_hidden_state"],
            {
                "input_ids": tokens,
                "attention_mask": np.ones_like(tokens),
                "token_type_ids": np.zeros_like(tokens),
            },
        )
        means = hidden.mean(axis=1, dtype=np.float32)
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        unit: np.ndarray[Any, np.dtype[np.float32]] = means / np.maximum(norms, 1e-12)
        return unit


def equal_lengths(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indexes of equal lengths, at most `BATCH` together."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for _length, same in groupby(order, key=lengths.__getitem__):
        indexes = list(same)
        for start in range(0, len(indexes), BATCH):
            yield indexes[start : start + BATCH]


@cache
def loaded_model(weights: Path, tokenizer: Path) -> SentenceModel:
    """Return this process's model, loading it at first use; about a tenth of a second.

    Raises:
        ConfigurationError: One of the files does not load.
    """
    return SentenceModel(weights, tokenizer)


def _forget_after_fork() -> None:
    # Threads do not survive a fork; the child starts and loads its own.
    _executor.cache_clear()
    loaded_model.cache_clear()


os.register_at_fork(after_in_child=_forget_after_fork)
