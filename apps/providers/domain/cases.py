"""The cases of an evaluation set, read from JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apps.providers.domain.assertions import AssertionFault, Demand, demand_from
from apps.providers.domain.prompt_specs import ContextPiece, PromptValue

CASES_MAX, DEMANDS_MAX, PIECES_MAX, NAME_CHARACTERS = 200, 20, 20, 80


class CaseFault(ValueError):
    """Cases that cannot be tried; names the part."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part} {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: what the prompt is given, and what is demanded of the answer."""

    name: str
    variables: Mapping[str, PromptValue]
    contexts: tuple[ContextPiece, ...]
    demands: tuple[Demand, ...]


def cases_from(raw: object) -> list[Case]:
    """Return the cases that JSON values describe.

    Raises:
        CaseFault: They describe none.
    """
    if not isinstance(raw, list) or not 1 <= len(raw) <= CASES_MAX:
        raise CaseFault("cases", f"must be a list of 1 to {CASES_MAX}")
    if _unkeepable(raw):
        raise CaseFault("cases", "hold a character that cannot be kept")
    return [_case(entry, place) for place, entry in enumerate(raw, 1)]


def _case(entry: object, place: int) -> Case:
    part = f"case {place}"
    if not isinstance(entry, Mapping):
        raise CaseFault(part, "must be an object")
    unknown = sorted(
        str(key) for key in entry if key not in {"name", "variables", "material", "assertions"}
    )
    if unknown:
        raise CaseFault(part, f"has {unknown[0]}, which is not known")
    name = entry.get("name", f"{place}")
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_CHARACTERS:
        raise CaseFault(part, f"must have a name of at most {NAME_CHARACTERS} characters")
    variables = entry.get("variables", {})
    if not isinstance(variables, dict) or not all(map(_is_value, variables.values())):
        raise CaseFault(part, "must have variables with texts, numbers, flags or lists of texts")
    return Case(
        name=name,
        variables=variables,
        contexts=_contexts(entry.get("material", []), part),
        demands=_demands(entry.get("assertions"), part),
    )


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(entry, str) for entry in value)
    return isinstance(value, str | int)


def _contexts(raw: object, part: str) -> tuple[ContextPiece, ...]:
    if not isinstance(raw, list) or len(raw) > PIECES_MAX:
        raise CaseFault(part, f"must have material of at most {PIECES_MAX} pieces")
    made = []
    for entry in raw:
        if not isinstance(entry, Mapping) or set(entry) != {"title", "text"}:
            raise CaseFault(part, "must have a title and a text for each piece of its material")
        title, text = entry["title"], entry["text"]
        if not isinstance(title, str) or not isinstance(text, str):
            raise CaseFault(part, "must have a title and a text for each piece of its material")
        made.append(ContextPiece(title=title, text=text))
    return tuple(made)


def _demands(raw: object, part: str) -> tuple[Demand, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= DEMANDS_MAX:
        raise CaseFault(part, f"must have 1 to {DEMANDS_MAX} assertions")
    try:
        return tuple(demand_from(entry) for entry in raw)
    except AssertionFault as fault:
        raise CaseFault(part, f"has an assertion that cannot be used: {fault}") from None


def _unkeepable(value: object, depth: int = 0) -> bool:
    """Say whether PostgreSQL would refuse it: a null character, half a character, a deep nest."""
    if isinstance(value, str):
        return "\x00" in value or any("\ud800" <= one <= "\udfff" for one in value)
    if depth > 40:
        return isinstance(value, list | dict)
    inner: Sequence[object] = ()
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list):
        inner = value
    return any(_unkeepable(one, depth + 1) for one in inner)
