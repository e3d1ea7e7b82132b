"""What is put around a prompt's own messages: a role, thinking, examples, material. Pure."""

import hashlib
from collections.abc import Callable, Sequence

from apps.providers.contracts import ChatMessage, Role
from apps.providers.domain.prompt_specs import ContextPiece, PromptExample

THINKING = "thinking"
_BEGINS, _ENDS = f"<{THINKING}>", f"</{THINKING}>"


def without_thinking(written: str) -> str:
    """Return what a model wrote without what it thought first.

    A model that forgot to open its thinking, or was cut off in the middle of it, gives no thought
    away either.
    """
    if _BEGINS not in written and _ENDS not in written:
        return written
    kept: list[str] = []
    at = 0
    while True:  # a pattern would look for the end of each of a thousand openings anew
        begins = written.find(_BEGINS, at)
        ends = written.find(_ENDS, begins) if begins >= 0 else -1
        kept.append(written[at:] if begins < 0 else written[at:begins])
        if ends < 0:
            break
        at = ends + len(_ENDS)
    return "".join(kept).rpartition(_ENDS)[2].strip()


def fenced(pieces: Sequence[ContextPiece]) -> str:
    """Return material between two marks that nothing within it can imitate.

    The mark is a hash of everything that is marked, so equal material reads the same each time and
    providers' prefix caches keep it.
    """
    body = "\n\n".join(
        f"[{' '.join(piece.title.split())}]\n{piece.text}" for piece in pieces if piece.text
    )
    mark = hashlib.blake2b(body.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    while mark in body:  # practically never; then another one
        mark = hashlib.blake2b(mark.encode(), digest_size=6).hexdigest()
    return f"<<<material {mark}>>>\n{body}\n<<<end of material {mark}>>>"


def with_beginning(messages: Sequence[ChatMessage], text: str) -> list[ChatMessage]:
    """Return the messages with `text` before the first system message, or as one of its own."""
    return _joined(messages, Role.SYSTEM, lambda own: f"{text}\n\n{own}", text)


def with_ending(messages: Sequence[ChatMessage], text: str) -> list[ChatMessage]:
    """Return the messages with `text` after the first system message, or as one of its own."""
    return _joined(messages, Role.SYSTEM, lambda own: f"{own}\n\n{text}", text)


def with_examples(
    messages: Sequence[ChatMessage], examples: Sequence[PromptExample]
) -> list[ChatMessage]:
    """Return the messages with examples as turns of their own, right after the system's."""
    shown = [
        message
        for example in examples
        for message in (
            ChatMessage(role=Role.USER, text=example.input),
            ChatMessage(role=Role.ASSISTANT, text=example.output),
        )
    ]
    at = next((n for n, m in enumerate(messages) if m.role is not Role.SYSTEM), len(messages))
    return [*messages[:at], *shown, *messages[at:]]


def with_material(messages: Sequence[ChatMessage], text: str) -> list[ChatMessage]:
    """Return the messages with material before the last one of the user.

    It stands with the user and not with the system: it has the lower of both authorities.
    """
    place = next(
        (n for n in range(len(messages) - 1, -1, -1) if messages[n].role is Role.USER), None
    )
    if place is None:
        return [*messages, ChatMessage(role=Role.USER, text=text)]
    own = ChatMessage(role=Role.USER, text=f"{text}\n\n{messages[place].text}")
    return [*messages[:place], own, *messages[place + 1 :]]


def _joined(
    messages: Sequence[ChatMessage], role: Role, join: Callable[[str], str], alone: str
) -> list[ChatMessage]:
    if not messages or messages[0].role is not role:
        return [ChatMessage(role=role, text=alone), *messages]
    return [ChatMessage(role=role, text=join(messages[0].text)), *messages[1:]]
