"""Facts about models that their providers do not tell. Pure; extend freely.

A name that is not listed gets `DEFAULT`, which is deliberately modest.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known about a model.

    Attributes:
        context_tokens: Most tokens of prompt and answer together.
        supports_tools: It may be given tools.
        reasoning: It thinks before it answers and takes no temperature.
        vision: It sees images.
        shows_reasoning: It sends what it thinks beside the answer.
    """

    context_tokens: int = 32_768
    supports_tools: bool = True
    reasoning: bool = False
    vision: bool = False
    shows_reasoning: bool = False


DEFAULT = Profile()

# Longest prefix wins.
_PROFILES: dict[str, Profile] = {
    "gpt-4o": Profile(context_tokens=128_000, vision=True),
    "gpt-4.1": Profile(context_tokens=1_047_576, vision=True),
    "gpt-4-turbo": Profile(context_tokens=128_000, vision=True),
    "gpt-3.5-turbo": Profile(context_tokens=16_385),
    "gpt-5": Profile(context_tokens=400_000, reasoning=True, vision=True),
    "o1": Profile(context_tokens=200_000, reasoning=True, vision=True),
    "o3": Profile(context_tokens=200_000, reasoning=True, vision=True),
    "o3-mini": Profile(context_tokens=200_000, reasoning=True),
    "o4": Profile(context_tokens=200_000, reasoning=True, vision=True),
    "gpt-oss": Profile(context_tokens=131_072, shows_reasoning=True),
    "claude": Profile(context_tokens=200_000, vision=True),
    "gemini": Profile(context_tokens=1_048_576, vision=True),
    "llama-3.1": Profile(context_tokens=131_072),
    "llama-3.3": Profile(context_tokens=131_072),
    "mistral-small": Profile(context_tokens=131_072, vision=True),
    "mistral-large": Profile(context_tokens=131_072),
    "codestral": Profile(context_tokens=131_072),
    "deepseek-chat": Profile(context_tokens=65_536),
    "deepseek-r1": Profile(context_tokens=65_536, shows_reasoning=True),
    "deepseek-reasoner": Profile(context_tokens=65_536, shows_reasoning=True),
    "qwq": Profile(shows_reasoning=True),
    "gemma-3": Profile(context_tokens=131_072, vision=True),
    "llava": Profile(context_tokens=4_096, supports_tools=False, vision=True),
    "pixtral": Profile(context_tokens=131_072, vision=True),
    "qwen2-vl": Profile(vision=True),
    "qwen2.5-vl": Profile(vision=True),
    "qwen3-vl": Profile(context_tokens=262_144, vision=True),
}


# Trained so that the beginning of a vector is a vector; they take `dimensions`.
_SHORTENING = (
    "text-embedding-3-",
    "gemini-embedding-",
    "qwen3-embedding",
    "jina-embeddings-v3",
    "voyage-3",
)


def shortens_embeddings(name: str) -> bool:
    """Say whether the embedding model of this name makes shorter vectors when asked to."""
    return name.rsplit("/", maxsplit=1)[-1].lower().startswith(_SHORTENING)


def profile_of(name: str) -> Profile:
    """Return what is known about the model called `name` by its provider."""
    base = name.rsplit("/", maxsplit=1)[-1].lower()
    matches = [prefix for prefix in _PROFILES if base.startswith(prefix)]
    return _PROFILES[max(matches, key=len)] if matches else DEFAULT
