"""A bare multi-sequence loop over llama.cpp: one batch a step, greedy, nothing around it."""

import ctypes
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp

BATCH = 512


class BareBatch:
    """Several sequences of one model file, decoded together."""

    def __init__(self, path: Path, *, threads: int, sequences: int, context_tokens: int) -> None:
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self._model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = context_tokens * sequences
        context.n_batch = context.n_ubatch = BATCH
        context.n_seq_max = sequences
        context.n_threads = context.n_threads_batch = threads
        context.kv_unified = False
        context.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        context.no_perf = True
        self._context: Any = llama_cpp.llama_init_from_model(self._model, context)
        self._vocab: Any = llama_cpp.llama_model_get_vocab(self._model)
        self._batch: Any = llama_cpp.llama_batch_init(BATCH, 0, 1)

    def tokens_of(self, text: str) -> list[int]:
        """Return the tokens of `text`, control tokens included."""
        data = text.encode()
        buffer = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(
            self._vocab, data, len(data), buffer, len(buffer), False, True
        )
        return list(buffer[:count])

    def rate(self, prompts: Sequence[Sequence[int]], *, tokens: int) -> float:
        """Return tokens per second of all sequences together, prompts included in the time."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        samplers = [self._greedy() for _ in prompts]
        places = [len(prompt) for prompt in prompts]
        assert sum(places) <= BATCH, "one batch reads all prompts"
        started = time.perf_counter()
        at = 0
        wanted: list[int] = []
        for sequence, prompt in enumerate(prompts):
            for position, token in enumerate(prompt):
                self._put(at, token, position, sequence, wanted=position == len(prompt) - 1)
                at += 1
            wanted.append(at - 1)
        for step in range(tokens):
            self._batch.n_tokens = at
            assert llama_cpp.llama_decode(self._context, self._batch) == 0
            if step == tokens - 1:
                break
            for sequence, (sampler, index) in enumerate(zip(samplers, wanted, strict=True)):
                token = llama_cpp.llama_sampler_sample(sampler, self._context, index)
                self._put(sequence, token, places[sequence], sequence, wanted=True)
                places[sequence] += 1
            wanted = list(range(len(prompts)))
            at = len(prompts)
        for sampler, index in zip(samplers, wanted, strict=True):
            llama_cpp.llama_sampler_sample(sampler, self._context, index)
        spent = time.perf_counter() - started
        for sampler in samplers:
            llama_cpp.llama_sampler_free(sampler)
        return tokens * len(prompts) / spent

    def _put(self, at: int, token: int, position: int, sequence: int, *, wanted: bool) -> None:
        self._batch.token[at] = token
        self._batch.pos[at] = position
        self._batch.n_seq_id[at] = 1
        self._batch.seq_id[at][0] = sequence
        self._batch.logits[at] = wanted

    @staticmethod
    def _greedy() -> Any:  # a bare pointer
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_greedy())
        return chain

    def close(self) -> None:
        """Free everything."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)


def silence() -> None:
    """Have llama.cpp say nothing."""
    llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes
def _quiet(_level: int, _text: bytes, _data: object) -> None:
    """Drop it."""
