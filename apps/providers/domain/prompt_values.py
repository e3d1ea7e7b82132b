"""The typed check of a prompt's values, and how each kind reads. Pure."""

from collections.abc import Mapping, Sequence

from apps.providers.domain.prompt_specs import PromptValue, PromptVariable, VariableKind

_CUT = " … "
_ENTRIES_MAX = 1_000
_DIGITS_MAX = 100


class ValueFault(ValueError):
    """A value that does not fit; names the variable."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.problem = problem


def checked_values(
    variables: Sequence[PromptVariable], given: Mapping[str, PromptValue]
) -> dict[str, str]:
    """Return each variable's value as text; empty for one that is absent, false, zero or empty.

    Raises:
        ValueFault: A value is missing, not declared, of another kind, or too long.
    """
    declared = {variable.name for variable in variables}
    for name in given:
        if name not in declared:
            raise ValueFault(name, "is not a variable of this prompt")
    return {variable.name: _text_of(variable, given.get(variable.name)) for variable in variables}


def _text_of(variable: PromptVariable, value: PromptValue | None) -> str:
    if value is None:
        if variable.required:
            raise ValueFault(variable.name, "is missing")
        return ""
    match variable.kind:
        case VariableKind.TEXT:
            if not isinstance(value, str):
                raise ValueFault(variable.name, "must be text")
            return _fitting(variable, value)
        case VariableKind.FLAG:
            if not isinstance(value, bool):
                raise ValueFault(variable.name, "must be true or false")
            return "yes" if value else ""
        case VariableKind.NUMBER:
            return _number(variable, value)
        case VariableKind.LIST:
            return _list(variable, value)


def _number(variable: PromptVariable, value: PromptValue) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueFault(variable.name, "must be a whole number")
    if abs(value) >= 10**_DIGITS_MAX:  # writing out a number takes the square of its length
        raise ValueFault(variable.name, f"has more than {_DIGITS_MAX} digits")
    return str(value)


def _list(variable: PromptVariable, value: PromptValue) -> str:
    if isinstance(value, str | int) or not isinstance(value, Sequence):
        raise ValueFault(variable.name, "must be a list of texts")
    if not all(isinstance(entry, str) for entry in value):
        raise ValueFault(variable.name, "must be a list of texts")
    if len(value) > _ENTRIES_MAX:
        raise ValueFault(variable.name, f"has more than {_ENTRIES_MAX} entries")
    return _fitting(variable, "\n".join(f"- {entry}" for entry in value))


def _fitting(variable: PromptVariable, text: str) -> str:
    if len(text) <= variable.max_length:
        return text
    if not variable.cut:
        raise ValueFault(variable.name, f"has more than {variable.max_length} characters")
    room = variable.max_length - len(_CUT)
    if room < 2:
        return text[: variable.max_length]
    return text[: room - room // 2] + _CUT + text[len(text) - room // 2 :]
