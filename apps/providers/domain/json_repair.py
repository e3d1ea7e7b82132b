"""Making JSON of what a model wrote instead. Pure.

What is JSON already is not touched. Otherwise the first object or list is read leniently: fences
and words around it go, comments and doubled commas go, brackets and quotes that are missing are
added, Python's and JavaScript's spellings are translated. Nothing is invented but `null` for a
value that was cut off.
"""

import json
import re
from dataclasses import dataclass, field

LENGTH_MAX = 1_000_000  # characters
_DEPTH_MAX = 200
_WORD = re.compile(r"[^\s,:{}\[\]\"']{1,500}")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_FENCE = re.compile(r"```[A-Za-z0-9_-]{0,20}[ \t]*\n?(.*?)(?:\n?```|\Z)", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPELLINGS = {
    "true": "true", "false": "false", "null": "null", "True": "true", "False": "false",
    "None": "null", "undefined": "null", "NaN": "null", "Infinity": "null", "-Infinity": "null",
}  # fmt: skip
_CLOSER = {"{": "}", "[": "]"}
_ESCAPES = frozenset('"\\/bfnrt')


def is_json(text: str) -> bool:
    """Say whether `text` is one JSON value, as RFC 8259 has it."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def repair_json(text: str) -> str | None:
    """Return JSON made of `text`, `text` itself if it is JSON, or None when nothing helps."""
    if len(text) > LENGTH_MAX:
        return None
    if is_json(text):
        return text
    stripped = text.strip().removeprefix("\ufeff")
    fence = _FENCE.search(stripped)
    candidates = [fence.group(1).strip()] if fence is not None else []
    for candidate in [*candidates, stripped]:
        if is_json(candidate):
            return candidate
        start = min((p for p in (candidate.find("{"), candidate.find("[")) if p >= 0), default=-1)
        if start < 0:
            continue
        made = _Reader(candidate, start).read()
        if made is not None and is_json(made):
            return made
    return None


@dataclass(slots=True)
class _Open:
    """An object or list that is being written."""

    bracket: str
    key: bool = False  # an object: a key was written and its value was not
    colon: bool = False  # … and its colon too
    filled: bool = False  # it holds something already


@dataclass(slots=True)
class _Reader:
    """Reads leniently from `place` and writes strictly into `out`."""

    text: str
    place: int
    out: list[str] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)

    def read(self) -> str | None:
        while self.place < len(self.text):
            character = self.text[self.place]
            if character.isspace() or character in ",:":
                self.place += 1
                if character == ":" and self.stack and self.stack[-1].key:
                    self._write_colon()
            elif character in _CLOSER:
                if len(self.stack) >= _DEPTH_MAX:
                    return None
                self._before_value()
                self.out.append(character)
                self.stack.append(_Open(bracket=character))
                self.place += 1
            elif character in "}]":
                self._close(character)
                self.place += 1
            elif self.text.startswith(("//", "/*"), self.place):
                self._skip_comment()
            else:
                self._value(character)
            if not self.stack:
                return "".join(self.out)
        while self.stack:
            self._close_last()
        return "".join(self.out)

    def _value(self, character: str) -> None:
        if character in "\"'":
            written = self._string(character)
        else:
            match = _WORD.match(self.text, self.place)
            if match is None:
                self.place += 1
                return
            self.place = match.end()
            written = self._spelt(match.group())
        top = self.stack[-1]
        if top.bracket == "{" and not top.key:
            self._before_key()
            self.out.append(written if written.startswith('"') else json.dumps(written))
            top.key = top.filled = True
        else:
            self._before_value()
            self.out.append(written)

    def _spelt(self, word: str) -> str:
        if word in _SPELLINGS:
            return _SPELLINGS[word]
        return word if _NUMBER.fullmatch(word) else json.dumps(word, ensure_ascii=False)

    def _before_key(self) -> None:
        if self.stack[-1].filled:
            self.out.append(",")

    def _before_value(self) -> None:
        if not self.stack:
            return
        top = self.stack[-1]
        if top.bracket == "[":
            self._before_key()
        elif top.key:
            self._write_colon()
        else:  # a value where a key belongs
            self._before_key()
            self.out.append('"":')
        top.key = top.colon = False
        top.filled = True

    def _write_colon(self) -> None:
        top = self.stack[-1]
        if not top.colon:
            self.out.append(":")
            top.colon = True

    def _close(self, closer: str) -> None:
        if not any(_CLOSER[each.bracket] == closer for each in self.stack):
            return
        while self._close_last() != closer:
            pass

    def _close_last(self) -> str:
        top = self.stack[-1]
        if top.key:
            self._write_colon()
            self.out.append("null")
        self.stack.pop()
        closer = _CLOSER[top.bracket]
        self.out.append(closer)
        return closer

    def _skip_comment(self) -> None:
        ending = "\n" if self.text[self.place + 1] == "/" else "*/"
        end = self.text.find(ending, self.place + 2)
        self.place = len(self.text) if end < 0 else end + len(ending)

    def _string(self, quote: str) -> str:
        self.place += 1
        made: list[str] = []
        while self.place < len(self.text):
            character = self.text[self.place]
            self.place += 1
            if character == quote:
                break
            if character == "\\":
                made.append(self._escape())
            else:
                made.append(character)
        text = "".join(made)
        if _SURROGATE.search(text):  # two escapes for one character; half a one is none
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return json.dumps(text, ensure_ascii=False)

    def _escape(self) -> str:
        if self.place >= len(self.text):
            return ""
        character = self.text[self.place]
        self.place += 1
        if character in _ESCAPES:
            return str(json.loads(f'"\\{character}"'))
        if character == "u":
            digits = self.text[self.place : self.place + 4]
            if re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                self.place += 4
                return chr(int(digits, 16))
            if self.place + len(digits) >= len(self.text):  # cut off inside
                self.place = len(self.text)
                return ""
        return character
