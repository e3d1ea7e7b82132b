"""What the engine asks of a loaded model. `native.NativeModel` is one; tests bring their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from apps.providers.domain.sampling import Sampling

Sampler: TypeAlias = Any  # whatever the model made


class NativeError(Exception):
    """The model failed; the text is ours."""


class GrammarRefused(Exception):
    """A grammar does not compile, or no token continues it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What an engine loads and what it may use.

    Attributes:
        path: The GGUF file, already verified.
        context_tokens: Tokens per sequence; cut to what the model was trained for.
        threads: CPU threads that compute.
        adapter: A LoRA file on top, already verified.
        cpus: Processors that it keeps to; empty for any.
        sequences: How many answers run side by side.
        gpu_layers: Layers given to a GPU; a number above the model's own means all of them.
        gpu_required: Fail rather than compute on the CPU what was meant for a GPU.
        mmap: Map the file into memory instead of reading it: pages are shared and come at need.
        idle_s: Seconds without a request after which the memory is given back; 0 means never.
    """

    path: Path
    context_tokens: int
    threads: int
    adapter: Path | None = None
    cpus: frozenset[int] = frozenset()
    sequences: int = 4
    gpu_layers: int = 0
    gpu_required: bool = True
    mmap: bool = True
    idle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a batch; `wanted` asks for the logits after it."""

    token: int
    position: int
    sequence: int
    wanted: bool


class LocalModel(Protocol):
    """A model with one context of several sequences. Belongs to one thread.

    Attributes:
        context_tokens: Most tokens of one sequence.
        batch_tokens: Most entries of one batch.
    """

    context_tokens: int
    batch_tokens: int

    def close(self) -> None:
        """Free everything; the object is useless afterwards."""
        ...

    def metadata(self, key: str) -> str:
        """Return a text from the file's metadata, or an empty one."""
        ...

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Return the tokens of `text`; control tokens are recognised only where `special`."""
        ...

    def starts_with(self) -> int | None:
        """Return the token every prompt must begin with, if the model wants one."""
        ...

    def token_text(self, name: str) -> str:
        """Return the spelling of the `bos` or `eos` token, or an empty text."""
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; may be part of a character. Control tokens are empty."""
        ...

    def is_end(self, token: int) -> bool:
        """Say whether the model ends its answer with this token."""
        ...

    def new_sampler(self, sampling: Sampling) -> Sampler:
        """Return what picks tokens.

        Raises:
            GrammarRefused: Its grammar does not compile.
        """
        ...

    def free_sampler(self, sampler: Sampler) -> None:
        """Free what `new_sampler` returned."""
        ...

    def sample(self, sampler: Sampler, index: int) -> int:
        """Return the next token after the batch entry at `index`, whose logits were wanted.

        Raises:
            GrammarRefused: No token continues the grammar.
        """
        ...

    def decode(self, entries: Sequence[Entry]) -> None:
        """Evaluate a batch of at most `batch_tokens` entries.

        Raises:
            NativeError: It failed; what the cache holds now is unknown.
        """
        ...

    def forget(self, sequence: int, start: int) -> bool:
        """Drop a sequence's cache from position `start`; False when only all of it can go."""
        ...


OpenModel: TypeAlias = Callable[[EngineSpec], LocalModel]
