"""The texts inside the arguments of a tool call, which as a whole are JSON. Pure."""

import json
from collections.abc import Callable, Iterator


def argument_texts(arguments: str) -> list[str]:
    """Return the texts and numbers in `arguments`; `arguments` itself if they are no JSON."""
    try:
        return list(_leaves(json.loads(arguments)))
    except (ValueError, RecursionError):
        return [arguments]


def with_arguments(arguments: str, treat: Callable[[str], str]) -> str:
    """Return `arguments` with `treat` done to each text in them; unchanged ones as they were.

    A number that `treat` changes becomes a text.
    """
    try:
        value = json.loads(arguments)
        treated = _walked(value, treat)
    except (ValueError, RecursionError):
        return treat(arguments)
    return arguments if treated == value else json.dumps(treated, ensure_ascii=False)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _leaves(each)


def _walked(value: object, treat: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return treat(value)
    if isinstance(value, list):
        return [_walked(each, treat) for each in value]
    if isinstance(value, dict):
        return {treat(key): _walked(each, treat) for key, each in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        treated = treat(str(value))
        return value if treated == str(value) else treated
    return value
