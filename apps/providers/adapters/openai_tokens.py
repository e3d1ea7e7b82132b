"""Counting tokens as OpenAI's models do, offline, with the vocabularies of `bpe-openai`."""

from collections.abc import Callable
from functools import cache

import bpe_openai

from apps.providers.contracts import ModelInfo, TokenCounter
from apps.providers.domain.encodings import encoding_of

# https://github.com/openai/openai-cookbook, "How to count tokens": three for each message, and one
# for its role; the three that begin the answer are the safety of whoever budgets.
_PER_MESSAGE = 4


@cache
def _counting(encoding: str) -> Callable[[str], int]:
    vocabulary = bpe_openai.get_encoding(encoding)

    def count(text: str) -> int:
        # What people wrote is text: "<|endoftext|>" in a message is no control token.
        return len(vocabulary.encode_ordinary(text))

    return count


def counter_for(model: ModelInfo) -> TokenCounter | None:
    """Return the tokenizer of one of OpenAI's own models; None for any other name."""
    encoding = encoding_of(model.id.partition("/")[2])
    if not encoding:
        return None
    return TokenCounter(
        name=encoding, count=_counting(encoding), per_message=_PER_MESSAGE, exact=True
    )
