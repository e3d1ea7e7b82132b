"""The few calls of llama.cpp that the engine needs, with Python types.

Everything here belongs to one thread. Handles are plain pointers without finalizers: they are
freed only by `close`, never by the garbage collector and never in a forked child.
"""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import llama_cpp

from apps.core.logging import get_logger

logger = get_logger(__name__)

Sampler: TypeAlias = Any  # llama_sampler_p: a bare pointer

_ERROR = 3  # GGML_LOG_LEVEL_ERROR
_TOP_K, _TOP_P, _MIN_P = 40, 0.95, 0.05
_PIECE_BYTES = 256
_SEED_BYTES = 4


class NativeError(Exception):
    """llama.cpp refused or failed; the text is ours."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a batch; `wanted` asks for the logits after it."""

    token: int
    position: int
    sequence: int
    wanted: bool


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes
def _log(level: int, text: bytes, _data: object) -> None:
    if level == _ERROR:
        logger.warning("local_model.native_log", text=text.decode("utf-8", "replace").strip())


def start_backend() -> None:
    """Prepare llama.cpp in this process and have it log through ours; harmless when repeated."""
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


class NativeModel:
    """A model file loaded with one context of several sequences."""

    def __init__(self, path: Path, *, threads: int, sequences: int, context_tokens: int) -> None:
        """Load the file; takes from a tenth of a second to minutes.

        Args:
            path: The GGUF file, already verified.
            threads: CPU threads for generation.
            sequences: How many answers may run side by side.
            context_tokens: Tokens per sequence; cut to what the model was trained for.

        Raises:
            NativeError: It is not a model this build can run, or memory is short.
        """
        self._batch: Any = None
        self._context: Any = None
        start_backend()
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self._model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise NativeError("the model file does not load")
        self._vocab: Any = llama_cpp.llama_model_get_vocab(self._model)
        trained = int(llama_cpp.llama_model_n_ctx_train(self._model))
        self.context_tokens = min(context_tokens, trained) if trained > 0 else context_tokens
        self.batch_tokens = min(512, self.context_tokens)
        self._open_context(threads=threads, sequences=sequences)
        self._piece = ctypes.create_string_buffer(_PIECE_BYTES)
        # Each native call gives the interpreter lock away; what never changes is asked once.
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}

    def _open_context(self, *, threads: int, sequences: int) -> None:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = self.context_tokens * sequences
        parameters.n_batch = self.batch_tokens
        parameters.n_ubatch = self.batch_tokens
        parameters.n_seq_max = sequences
        parameters.n_threads = threads
        parameters.n_threads_batch = threads
        parameters.kv_unified = False  # each sequence has its own part of the cache
        # On a CPU it saves nothing and costs precision, which a small model shows at once.
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            self.close()
            raise NativeError("there is not enough memory for the model's context")
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(self.batch_tokens, 0, 1)

    def close(self) -> None:
        """Free everything; the object is useless afterwards."""
        if self._batch is not None:
            llama_cpp.llama_batch_free(self._batch)
            self._batch = None
        if self._context:
            llama_cpp.llama_free(self._context)
            self._context = None
        if self._model:
            llama_cpp.llama_model_free(self._model)
            self._model = None

    def metadata(self, key: str) -> str:
        """Return a text from the file's metadata, or an empty one."""
        encoded = key.encode()
        probe = ctypes.create_string_buffer(1)
        length = int(llama_cpp.llama_model_meta_val_str(self._model, encoded, probe, 1))
        if length < 0:
            return ""
        buffer = ctypes.create_string_buffer(length + 1)
        llama_cpp.llama_model_meta_val_str(self._model, encoded, buffer, length + 1)
        return buffer.value.decode("utf-8", "replace")

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Return the tokens of `text`; control tokens are recognised only where `special`."""
        data = text.encode()
        if not data:
            return []
        size = len(data) + 8
        buffer = (llama_cpp.llama_token * size)()
        count = int(
            llama_cpp.llama_tokenize(self._vocab, data, len(data), buffer, size, False, special)
        )
        if count < 0:
            raise NativeError("the text does not tokenize")
        return list(buffer[:count])

    def starts_with(self) -> int | None:
        """Return the token every prompt must begin with, if the model wants one."""
        if not llama_cpp.llama_vocab_get_add_bos(self._vocab):
            return None
        return int(llama_cpp.llama_vocab_bos(self._vocab))

    def token_text(self, name: str) -> str:
        """Return the spelling of the `bos` or `eos` token, or an empty text."""
        getter = llama_cpp.llama_vocab_bos if name == "bos" else llama_cpp.llama_vocab_eos
        token = int(getter(self._vocab))
        if token < 0:
            return ""
        text = llama_cpp.llama_vocab_get_text(self._vocab, token)
        return bytes(text or b"").decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; may be part of a character. Control tokens are empty."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._look_up(token)
        return piece

    def _look_up(self, token: int) -> bytes:
        size = len(self._piece)
        count = int(llama_cpp.llama_token_to_piece(self._vocab, token, self._piece, size, 0, False))
        if count < 0:
            self._piece = ctypes.create_string_buffer(-count)
            return self._look_up(token)
        return self._piece.raw[:count]

    def is_end(self, token: int) -> bool:
        """Say whether the model ends its answer with this token."""
        end = self._ends.get(token)
        if end is None:
            end = bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))
            self._ends[token] = end
        return end

    def new_sampler(self, temperature: float) -> Sampler:
        """Return a sampler: greedy at 0, else top-k, top-p and min-p before the temperature."""
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        if temperature <= 0:
            steps = [llama_cpp.llama_sampler_init_greedy()]
        else:
            seed = int.from_bytes(os.urandom(_SEED_BYTES), "little")
            steps = [
                llama_cpp.llama_sampler_init_top_k(_TOP_K),
                llama_cpp.llama_sampler_init_top_p(_TOP_P, 1),
                llama_cpp.llama_sampler_init_min_p(_MIN_P, 1),
                llama_cpp.llama_sampler_init_temp(temperature),
                llama_cpp.llama_sampler_init_dist(seed),
            ]
        for step in steps:
            llama_cpp.llama_sampler_chain_add(chain, step)
        return chain

    def free_sampler(self, sampler: Sampler) -> None:
        """Free what `new_sampler` returned."""
        llama_cpp.llama_sampler_free(sampler)

    def sample(self, sampler: Sampler, index: int) -> int:
        """Return the next token after the batch entry at `index`, whose logits were wanted."""
        return int(llama_cpp.llama_sampler_sample(sampler, self._context, index))

    def decode(self, entries: Sequence[Entry]) -> None:
        """Evaluate a batch of at most `batch_tokens` entries. Releases the interpreter lock.

        Raises:
            NativeError: It failed; what the cache holds now is unknown.
        """
        batch = self._batch
        tokens, positions, counts = batch.token, batch.pos, batch.n_seq_id
        sequences, wanted = batch.seq_id, batch.logits
        for index, entry in enumerate(entries):
            tokens[index] = entry.token
            positions[index] = entry.position
            counts[index] = 1
            sequences[index][0] = entry.sequence
            wanted[index] = entry.wanted
        batch.n_tokens = len(entries)
        outcome = int(llama_cpp.llama_decode(self._context, batch))
        if outcome != 0:
            raise NativeError(f"evaluation failed with status {outcome}")

    def forget(self, sequence: int, start: int) -> bool:
        """Drop a sequence's cache from position `start`; False when only all of it can go."""
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, sequence, start, -1))
