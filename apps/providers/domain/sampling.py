"""How a local model picks its next token, from the parameters of a request. Pure."""

import math
from dataclasses import dataclass

TOP_K, TOP_P, MIN_P = 40, 0.95, 0.05  # of models that nobody told otherwise
_LARGEST_SEED = 2**32 - 1


class BadSampling(ValueError):
    """A parameter is unknown here or out of its range; `name` says which, `problem` why."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What a sampler is made of.

    Attributes:
        temperature: 0 picks the most likely token.
        top_p: Only the likeliest tokens that together have this probability are considered.
        top_k: Only so many of the likeliest tokens are considered; 0 means all.
        min_p: Tokens less likely than this share of the likeliest one are not considered.
        frequency_penalty: Lowers a token with each time that the answer has it already.
        presence_penalty: Lowers a token that the answer has already.
        seed: Makes the choice repeatable; None for a new one each time.
        grammar: GBNF grammar that the answer must follow; empty for any text.
    """

    temperature: float
    top_p: float = TOP_P
    top_k: int = TOP_K
    min_p: float = MIN_P
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    grammar: str = ""


_RANGES = {
    "top_p": (0.0, 1.0),
    "top_k": (0.0, 1_000_000.0),
    "min_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}


def sampling_from(
    temperature: float,
    parameters: tuple[tuple[str, float | int | str | bool], ...],
    *,
    grammar: str = "",
) -> Sampling:
    """Return the sampler that a request asks for.

    A person who sets `top_p` alone means it alone: the usual `top_k` and `min_p` stand aside.

    Raises:
        BadSampling: A parameter is not known here, or out of its range.
    """
    if not math.isfinite(temperature) or temperature < 0:
        raise BadSampling("temperature", "it must be 0 or more")
    given: dict[str, float] = {}
    for name, value in parameters:
        if name != "seed" and name not in _RANGES:
            raise BadSampling(name, "local models do not know it")
        if isinstance(value, str | bool):
            raise BadSampling(name, "it must be a number")
        given[name] = value
        if name == "seed":
            continue
        least, most = _RANGES[name]
        if not least <= value <= most:  # also refuses what is no number
            raise BadSampling(name, f"it must be between {least:g} and {most:g}")
    alone = "top_p" in given
    return Sampling(
        temperature=temperature,
        top_p=given.get("top_p", TOP_P),
        top_k=int(given.get("top_k", 0 if alone else TOP_K)),
        min_p=given.get("min_p", 0.0 if alone else MIN_P),
        frequency_penalty=given.get("frequency_penalty", 0.0),
        presence_penalty=given.get("presence_penalty", 0.0),
        seed=_seed(given["seed"]) if "seed" in given else None,
        grammar=grammar,
    )


def _seed(value: float) -> int:
    if not math.isfinite(value) or value != int(value):
        raise BadSampling("seed", "it must be a whole number")
    return int(value) & _LARGEST_SEED
