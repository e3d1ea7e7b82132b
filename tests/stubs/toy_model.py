"""A language model made of arithmetic, for the engine in place of llama.cpp.

Its next token follows from exactly the tokens that lie in its sequence's cache, so whatever crosses
from another conversation, stays from an earlier one or stands at a wrong position changes what it
says. `answer_to` computes the same from a prompt alone. It is strict where llama.cpp is: positions
without gaps, logits only where they were asked for, samplers freed once.
"""

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.providers.domain.sampling import Sampling
from apps.providers.engine.model import Entry, NativeError

END = 0
FIRST_CONTROL, CONTROLS = 1, 4
FIRST_TEXT = 16  # tokens of texts: one a character
WORDS = 97  # different tokens that it says
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}<assistant>"
)


def next_token(seen: Sequence[int]) -> int:
    """Return what follows these tokens: the end about once in twenty times, else a word."""
    value = zlib.crc32(array("i", seen).tobytes())
    return END if value % 20 == 0 else FIRST_TEXT + value // 20 % WORDS


def answer_to(prompt: Sequence[int], *, max_tokens: int) -> list[int]:
    """Return the whole answer to a prompt that meets no other."""
    seen = list(prompt)
    said: list[int] = []
    while len(said) < max_tokens:
        token = next_token(seen)
        if token == END:
            break
        said.append(token)
        seen.append(token)
    return said


@dataclass(eq=False)
class ToySampler:
    """Picks the one token there is."""

    sampling: Sampling
    freed: bool = False


@dataclass
class ToyModel:
    """A model whose cache can be looked into.

    Attributes:
        context_tokens: Most tokens of one sequence.
        batch_tokens: Most entries of one batch.
        whole_only: It can forget only a whole sequence, as recurrent models do.
        fail_at: Number of the evaluation that fails; 0 for none.
        endless: It never ends an answer by itself.
        cache: What lies in each sequence.
        evaluations: How many batches it has seen.
        open_samplers: Samplers that were not freed yet.
        closed: It was freed.
    """

    context_tokens: int = 4096
    batch_tokens: int = 16
    whole_only: bool = False
    fail_at: int = 0
    endless: bool = False
    cache: dict[int, list[int]] = field(default_factory=dict)
    evaluations: int = 0
    open_samplers: set[ToySampler] = field(default_factory=set)
    closed: bool = False
    _logits: dict[int, int] = field(default_factory=dict)

    def close(self) -> None:
        """Free it, once."""
        assert not self.closed
        assert not self.open_samplers
        self.closed = True

    def metadata(self, key: str) -> str:
        """Return the chat template, and nothing else."""
        return TEMPLATE if key == "tokenizer.chat_template" else ""

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Return one token a character; a role in angle brackets is one where `special`."""
        tokens: list[int] = []
        while text:
            for number, role in enumerate(("<system>", "<user>", "<assistant>", "<tool>")):
                if special and text.startswith(role):
                    tokens.append(FIRST_CONTROL + number)
                    text = text[len(role) :]
                    break
            else:
                tokens.append(FIRST_TEXT + ord(text[0]))
                text = text[1:]
        return tokens

    def starts_with(self) -> int | None:
        """Return nothing: a prompt may begin anyhow."""
        return None

    def token_text(self, name: str) -> str:
        """Return nothing: it has no such tokens."""
        return ""

    def piece(self, token: int) -> bytes:
        """Return the character of a token."""
        return chr(token - FIRST_TEXT).encode() if token >= FIRST_TEXT else b""

    def is_end(self, token: int) -> bool:
        """Say whether it is the end."""
        return token == END

    def new_sampler(self, sampling: Sampling) -> ToySampler:
        """Return one that must be freed."""
        sampler = ToySampler(sampling)
        self.open_samplers.add(sampler)
        return sampler

    def free_sampler(self, sampler: ToySampler) -> None:
        """Free it, once."""
        assert not sampler.freed
        sampler.freed = True
        self.open_samplers.remove(sampler)

    def sample(self, sampler: ToySampler, index: int) -> int:
        """Return the token after the entry at `index`, which was wanted in the last batch."""
        assert not sampler.freed
        return self._logits[index]

    def decode(self, entries: Sequence[Entry]) -> None:
        """Take the entries into their sequences."""
        assert 0 < len(entries) <= self.batch_tokens
        assert not self.closed
        self.evaluations += 1
        if self.evaluations == self.fail_at:
            raise NativeError("told to fail")
        self._logits = {}
        for index, entry in enumerate(entries):
            tokens = self.cache.setdefault(entry.sequence, [])
            assert entry.position == len(tokens), "a position is left out or written twice"
            assert len(tokens) < self.context_tokens
            tokens.append(entry.token)
            if entry.wanted:
                token = next_token(tokens)
                if token == END and self.endless:
                    token = FIRST_TEXT + 1
                self._logits[index] = token

    def forget(self, sequence: int, start: int) -> bool:
        """Drop what lies from `start` on, if it can."""
        tokens = self.cache.setdefault(sequence, [])
        if self.whole_only and 0 < start < len(tokens):
            return False
        del tokens[start:]
        return True
