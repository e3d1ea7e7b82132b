"""Which actions exist and how they read. Codes are append-only and dotted."""

import re
from collections.abc import Mapping

_CODE = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_labels: dict[str, str] = {}


class UnknownAction(LookupError):
    """An action code nobody registered was recorded; a programming error."""


def register_actions(labels: Mapping[str, str]) -> None:
    """Declare action codes with the sentence shown for them; called from `AppConfig.ready`.

    Raises:
        ValueError: A code is not dotted lower case, or means something else already.
    """
    for code, label in labels.items():
        if not _CODE.fullmatch(code):
            raise ValueError(f"audit action {code!r} is not dotted lower case")
        if _labels.setdefault(code, label) != label:
            raise ValueError(f"audit action {code!r} is declared twice")


def require_action(code: str) -> str:
    """Return `code` if it is declared.

    Raises:
        UnknownAction: It is not.
    """
    if code not in _labels:
        raise UnknownAction(code)
    return code


def action_label(code: str) -> str:
    """Return the sentence for `code`, or the code itself for one that was retired."""
    return _labels.get(code, code)


def registered_actions() -> Mapping[str, str]:
    """Return every declared action with its label."""
    return dict(_labels)
