"""Placeholders for personal data, and the way back. Pure.

`[PERSON_1]` stands for one value within one request. A placeholder that stands in any text of the
request already is never given out: what a person, a file or a tool wrote in that form stays as it
is and can call up nobody's value. The way back replaces each placeholder once and does not look
into what it put there.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from apps.providers.domain.pii import PiiFinding, PiiKind

_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]{0,30}_[0-9]{1,9}\]")
_NOTHING: Mapping[str, str] = {}


def placeholders_in(texts: Iterable[str]) -> frozenset[str]:
    """Return everything in `texts` that has the form of a placeholder."""
    return frozenset(found for text in texts for found in _PLACEHOLDER.findall(text))


class Redactor:
    """Replaces findings in several texts of one request, equal values by equal placeholders."""

    def __init__(self, *, taken: frozenset[str] = frozenset()) -> None:
        """Begin with nothing replaced.

        Args:
            taken: Placeholders that must not be given out: those that stand in the texts.
        """
        self._taken = taken
        self._given: dict[tuple[PiiKind, str], str] = {}
        self._counts: dict[PiiKind, int] = {}

    def redact(self, text: str, findings: Sequence[PiiFinding]) -> str:
        """Return `text` with placeholders for findings in order, without overlaps."""
        pieces: list[str] = []
        done = 0
        for finding in findings:
            value = text[finding.start : finding.end]
            pieces += [text[done : finding.start], self.placeholder(finding.kind, value)]
            done = finding.end
        return "".join([*pieces, text[done:]])

    @property
    def values(self) -> Mapping[str, str]:
        """Placeholder → value, for `restore`."""
        return {placeholder: value for (_kind, value), placeholder in self._given.items()}

    def placeholder(self, kind: PiiKind, value: str) -> str:
        """Return what stands for `value`; equal values, equal placeholders."""
        known = self._given.get((kind, value))
        if known is not None:
            return known
        while True:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            placeholder = f"[{kind.value}_{self._counts[kind]}]"
            if placeholder not in self._taken:
                break
        self._given[kind, value] = placeholder
        return placeholder


def redact(text: str, findings: Sequence[PiiFinding]) -> tuple[str, Mapping[str, str]]:
    """Return one text with placeholders, and what each stands for."""
    redactor = Redactor(taken=placeholders_in([text]))
    return redactor.redact(text, findings), redactor.values


def restore(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the values back; what only looks like a placeholder stays."""
    if not values:
        return text
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(), match.group()), text)


def inside_json(values: Mapping[str, str]) -> Mapping[str, str]:
    """Return `values` as they stand inside a string of JSON, quotes escaped."""
    if not values:
        return _NOTHING
    return {key: json.dumps(value, ensure_ascii=False)[1:-1] for key, value in values.items()}


class StreamRestorer:
    """`restore` for a text that arrives in pieces, cut anywhere.

    Only the beginning of a placeholder that was given out is held back, so that everything else
    is passed on at once.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._beginnings = frozenset(
            placeholder[:length] for placeholder in values for length in range(1, len(placeholder))
        )
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece; return what can be shown now."""
        if not self._values:
            return piece
        text = self._held + piece
        opened = text.rfind("[")
        if opened >= 0 and text[opened:] in self._beginnings:
            self._held = text[opened:]
            text = text[:opened]
        else:
            self._held = ""
        return restore(text, self._values)

    def finish(self) -> str:
        """Return what was held back: it became no placeholder."""
        held, self._held = self._held, ""
        return held
