"""Samplers of llama.cpp: a chain that picks a token, and a grammar that may forbid it.

Asking the grammar about a whole vocabulary costs milliseconds a token. So the chain picks first and
the grammar is asked about that one token; only when it refuses is everything else ruled out and
picked again. Whatever is accepted was allowed before: llama.cpp ends the process otherwise.
"""

import ctypes
import os
from typing import Any

import llama_cpp
import numpy as np

from apps.providers.domain.sampling import Sampling
from apps.providers.engine.model import GrammarRefused

_SEED_BYTES = 4
_PENALTY_TOKENS = 4096  # OpenAI's penalties look at the whole answer
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Sampler:
    """The native samplers of one answer."""

    def __init__(self, vocab: Any, sampling: Sampling) -> None:  # noqa: ANN401  # a bare pointer
        """Build them.

        Raises:
            GrammarRefused: The grammar does not compile.
        """
        self.grammar: Any = None
        if sampling.grammar:
            text = sampling.grammar.encode()
            self.grammar = llama_cpp.llama_sampler_init_grammar(vocab, text, b"root")
            if not self.grammar:
                raise GrammarRefused("its grammar does not compile")
        self.chain: Any = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        for step in _steps(vocab, sampling):
            llama_cpp.llama_sampler_chain_add(self.chain, step)

    def close(self) -> None:
        """Free them."""
        llama_cpp.llama_sampler_free(self.chain)
        if self.grammar:
            llama_cpp.llama_sampler_free(self.grammar)


def _steps(vocab: Any, sampling: Sampling) -> list[Any]:  # noqa: ANN401  # a bare pointer
    """Return the chain's parts: greedy at 0, else what narrows the choice before the dice."""
    steps: list[Any] = []
    if sampling.frequency_penalty or sampling.presence_penalty:
        size = llama_cpp.llama_vocab_n_tokens(vocab)
        steps.append(
            llama_cpp.llama_sampler_init_penalties(
                size,
                _PENALTY_TOKENS,
                1.0,
                sampling.frequency_penalty,
                sampling.presence_penalty,
            )
        )
    if sampling.temperature <= 0:
        return [*steps, llama_cpp.llama_sampler_init_greedy()]
    if sampling.top_k > 0:
        steps.append(llama_cpp.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        steps.append(llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        steps.append(llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
    seed = sampling.seed
    if seed is None:
        seed = int.from_bytes(os.urandom(_SEED_BYTES), "little")
    steps.append(llama_cpp.llama_sampler_init_temp(sampling.temperature))
    steps.append(llama_cpp.llama_sampler_init_dist(seed))
    return steps


class Candidates:
    """Room for the whole vocabulary with its logits, as llama.cpp's samplers want it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = np.zeros(size, dtype=_CANDIDATE)
        self._ids = np.arange(size, dtype=np.int32)

    def pick(self, sampler: Sampler, logits: Any) -> int:  # noqa: ANN401  # a bare pointer
        """Return the token that the chain picks among those that the grammar allows.

        Raises:
            GrammarRefused: There is none.
        """
        values = np.ctypeslib.as_array(logits, shape=(self._size,))
        token = self._chosen(sampler, values, ruled=False)
        if not allows(sampler, token):
            token = self._chosen(sampler, values, ruled=True)
            if not allows(sampler, token):
                raise GrammarRefused("no token continues the grammar")
        llama_cpp.llama_sampler_accept(sampler.grammar, token)
        llama_cpp.llama_sampler_accept(sampler.chain, token)
        return token

    def _chosen(self, sampler: Sampler, values: Any, *, ruled: bool) -> int:  # noqa: ANN401
        rows = self._rows
        rows["id"], rows["logit"], rows["p"] = self._ids, values, 0.0
        array = _array(rows)
        if ruled:
            llama_cpp.llama_sampler_apply(sampler.grammar, ctypes.byref(array))
        llama_cpp.llama_sampler_apply(sampler.chain, ctypes.byref(array))
        return int(array.data[array.selected].id)


def _array(rows: "np.ndarray[Any, Any]") -> Any:  # noqa: ANN401  # a ctypes structure
    data = rows.ctypes.data_as(llama_cpp.llama_token_data_p)
    return llama_cpp.llama_token_data_array(data=data, size=len(rows), selected=-1, sorted=False)


def allows(sampler: Sampler, token: int) -> bool:
    """Ask the grammar about one token."""
    row = np.array([(token, 1.0, 0.0)], dtype=_CANDIDATE)
    array = _array(row)
    llama_cpp.llama_sampler_apply(sampler.grammar, ctypes.byref(array))
    return bool(np.isfinite(row["logit"][0]))
