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
    """

    context_tokens: int = 32_768
    supports_tools: bool = True
    reasoning: bool = False


DEFAULT = Profile()

# Longest prefix wins.
_PROFILES: dict[str, Profile] = {
    "gpt-4o": Profile(context_tokens=128_000),
    "gpt-4.1": Profile(context_tokens=1_047_576),
    "gpt-4-turbo": Profile(context_tokens=128_000),
    "gpt-3.5-turbo": Profile(context_tokens=16_385),
    "gpt-5": Profile(context_tokens=400_000, reasoning=True),
    "o1": Profile(context_tokens=200_000, reasoning=True),
    "o3": Profile(context_tokens=200_000, reasoning=True),
    "o4": Profile(context_tokens=200_000, reasoning=True),
}


def profile_of(name: str) -> Profile:
    """Return what is known about the model called `name` by its provider."""
    base = name.rsplit("/", maxsplit=1)[-1].lower()
    matches = [prefix for prefix in _PROFILES if base.startswith(prefix)]
    return _PROFILES[max(matches, key=len)] if matches else DEFAULT
