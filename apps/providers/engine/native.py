"""The few calls of llama.cpp that the engine needs, with Python types.

Everything here belongs to one thread. Handles are plain pointers without finalizers: they are
freed only by `close`, never by the garbage collector and never in a forked child.
"""

import ctypes
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from apps.core.logging import get_logger
from apps.providers.domain.load_log import offloaded_layers
from apps.providers.domain.sampling import Sampling
from apps.providers.engine.model import EngineSpec, Entry, NativeError
from apps.providers.engine.samplers import Candidates, Sampler
from apps.providers.errors import ConfigurationError

logger = get_logger(__name__)

_ERROR = 3  # GGML_LOG_LEVEL_ERROR
_PIECE_BYTES = 256

_loads: dict[int, list[str]] = {}  # what llama.cpp says while a thread loads a model


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes
def _log(level: int, text: bytes, _data: object) -> None:
    said = text.decode("utf-8", "replace").strip()
    lines = _loads.get(threading.get_ident())
    if lines is not None:
        lines.append(said)
    if level == _ERROR:
        logger.warning("local_model.native_log", text=said)


def start_backend() -> None:
    """Prepare llama.cpp in this process and have it log through ours; harmless when repeated."""
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


def _check_offload(spec: EngineSpec, lines: Sequence[str]) -> None:
    """Compare what was asked of a GPU with what the load log says.

    Raises:
        ConfigurationError: No layer is on a GPU, and the setting insists.
    """
    if not spec.gpu_layers:
        return
    there = offloaded_layers(lines)
    if there is not None and there[0] > 0:
        logger.info("local_model.on_gpu", file=spec.path.name, layers=there[0], of=there[1])
        return
    hint = (
        f"LOCAL_GPU_LAYERS is {spec.gpu_layers}, but llama.cpp put no layer on a GPU: this build"
        " has no GPU backend or finds no device"
    )
    if spec.gpu_required:
        raise ConfigurationError(hint)
    logger.warning("local_model.not_on_gpu", file=spec.path.name, hint=hint)


class NativeModel:
    """A model file loaded with one context of several sequences."""

    def __init__(self, spec: EngineSpec) -> None:
        """Load the file; takes from a tenth of a second to minutes.

        Raises:
            NativeError: It is not a model this build can run, or memory is short.
            ConfigurationError: Layers were meant for a GPU and none took them, or the adapter
                does not fit the model.
        """
        self._batch: Any = None
        self._context: Any = None
        self._adapter: Any = None
        self._model: Any = None
        start_backend()
        if spec.cpus:
            # Threads inherit it: llama.cpp starts its own from this one.
            os.sched_setaffinity(0, spec.cpus)
        try:
            self._load(spec)
            self._open_context(spec)
            if spec.adapter is not None:
                self._put_on(spec.adapter)
        except (NativeError, ConfigurationError):
            self.close()
            raise
        self._piece = ctypes.create_string_buffer(_PIECE_BYTES)
        # Each native call gives the interpreter lock away; what never changes is asked once.
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}
        self._candidates: Candidates | None = None  # made at the first grammar

    def _load(self, spec: EngineSpec) -> None:
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = spec.gpu_layers
        mode = llama_cpp.LLAMA_LOAD_MODE_MMAP if spec.mmap else llama_cpp.LLAMA_LOAD_MODE_NONE
        parameters.load_mode = mode
        here = threading.get_ident()
        lines = _loads[here] = []
        try:
            path = str(spec.path).encode()
            self._model = llama_cpp.llama_model_load_from_file(path, parameters)
        finally:
            del _loads[here]
        if not self._model:
            raise NativeError("the model file does not load")
        _check_offload(spec, lines)
        self._vocab: Any = llama_cpp.llama_model_get_vocab(self._model)
        trained = int(llama_cpp.llama_model_n_ctx_train(self._model))
        wanted = spec.context_tokens
        self.context_tokens = min(wanted, trained) if trained > 0 else wanted
        self.batch_tokens = min(512, self.context_tokens)

    def _open_context(self, spec: EngineSpec) -> None:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = self.context_tokens * spec.sequences
        parameters.n_batch = self.batch_tokens
        parameters.n_ubatch = self.batch_tokens
        parameters.n_seq_max = spec.sequences
        parameters.n_threads = spec.threads
        parameters.n_threads_batch = spec.threads
        parameters.kv_unified = False  # each sequence has its own part of the cache
        # On a CPU it saves nothing and costs precision, which a small model shows at once.
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise NativeError("there is not enough memory for the model's context")
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(self.batch_tokens, 0, 1)

    def _put_on(self, adapter: Path) -> None:
        self._adapter = llama_cpp.llama_adapter_lora_init(self._model, str(adapter).encode())
        if not self._adapter:
            raise ConfigurationError(f"{adapter.name} is no LoRA adapter of this model")
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._adapter)
        scales = (ctypes.c_float * 1)(1.0)
        if llama_cpp.llama_set_adapters_lora(self._context, adapters, 1, scales) != 0:
            raise ConfigurationError(f"{adapter.name} cannot be put on this model")

    def close(self) -> None:
        """Free everything; the object is useless afterwards."""
        if self._batch is not None:
            llama_cpp.llama_batch_free(self._batch)
            self._batch = None
        if self._context:
            llama_cpp.llama_free(self._context)
            self._context = None
        if self._adapter:
            llama_cpp.llama_adapter_lora_free(self._adapter)
            self._adapter = None
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
        data = text.encode("utf-8", "replace")  # half a surrogate pair is no text
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

    def new_sampler(self, sampling: Sampling) -> Sampler:
        """Return what picks tokens as `sampling` says."""
        return Sampler(self._vocab, sampling)

    def free_sampler(self, sampler: Sampler) -> None:
        """Free what `new_sampler` returned."""
        sampler.close()

    def sample(self, sampler: Sampler, index: int) -> int:
        """Return the next token after the batch entry at `index`, whose logits were wanted."""
        if not sampler.grammar:
            return int(llama_cpp.llama_sampler_sample(sampler.chain, self._context, index))
        if self._candidates is None:
            self._candidates = Candidates(int(llama_cpp.llama_vocab_n_tokens(self._vocab)))
        logits = llama_cpp.llama_get_logits_ith(self._context, index)
        return self._candidates.pick(sampler, logits)

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
