"""Which vocabulary OpenAI's models use. Pure; extend freely.

A name that is not listed has no entry: whoever runs a model behind an OpenAI-compatible address
may have named it as they like, so nothing is guessed.
"""

# Longest prefix wins.
_ENCODINGS = {
    "chatgpt-4o": "o200k_base",
    "gpt-3.5": "cl100k_base",
    "gpt-35": "cl100k_base",
    "gpt-4": "cl100k_base",
    "gpt-4.1": "o200k_base",
    "gpt-4.5": "o200k_base",
    "gpt-4o": "o200k_base",
    "gpt-5": "o200k_base",
    "gpt-oss": "o200k_base",
    "o1": "o200k_base",
    "o3": "o200k_base",
    "o4": "o200k_base",
}


def encoding_of(name: str) -> str:
    """Return the vocabulary of the model called `name` by its provider; empty if unknown."""
    base = name.rsplit("/", maxsplit=1)[-1].lower()
    matches = [prefix for prefix in _ENCODINGS if _belongs(base, prefix)]
    return _ENCODINGS[max(matches, key=len)] if matches else ""


def _belongs(base: str, prefix: str) -> bool:
    # "o1" and "o1-mini" are OpenAI's, "o1lama" is not.
    rest = base.removeprefix(prefix)
    return base.startswith(prefix) and not rest[:1].isalpha()
