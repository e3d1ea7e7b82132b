"""Why a prompt is what it is: written with the turn, read by `GET …/turns/{id}/context`.

Kept are ids, hashes, tokens and reasons, never texts: those are in the messages and memories.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.conversations.contracts import SummaryState
from apps.conversations.counting import text_digest
from apps.conversations.domain.packing import Decision, Source
from apps.providers.contracts import ChatMessage, ModelInfo, TokenCounter

VERSION = 1
MEMORY = "memory:"  # before the id of what memory gave: a memory, or what was said
_ITEMS = 60  # of each source are listed one by one, the rest is counted
_WHY_CHARACTERS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A part that every prompt has: `system`, `question`, and for continuations two more."""

    name: str
    id: str
    text: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a prompt was assembled within.

    Attributes:
        model: Who is asked.
        counter: Whose tokens these are.
        answer_tokens: Tokens kept free for the answer.
        room: Tokens that the prompt may have.
        tokens: Tokens that it has.
        fixed: The parts that every prompt has.
        summary: How things stand with the summary of the branch.
        missing: What could not be asked, such as `memory: unavailable`.
    """

    model: ModelInfo
    counter: TokenCounter
    answer_tokens: int
    room: int
    tokens: int
    fixed: Sequence[Fixed]
    summary: SummaryState
    missing: Sequence[str]


def explain(
    frame: Frame, *, decisions: Sequence[Decision], messages: Sequence[ChatMessage]
) -> dict[str, Any]:
    """Return the explanation as JSON values; its size is bounded, whatever there was.

    Args:
        frame: What it was assembled within.
        decisions: What became of every candidate.
        messages: The prompt itself, of which only a hash is kept.
    """
    return {
        "version": VERSION,
        "model": frame.model.id,
        "tokenizer": frame.counter.name,
        "exact": frame.counter.exact,
        "context_tokens": frame.model.context_tokens,
        "answer_tokens": frame.answer_tokens,
        "room_tokens": frame.room,
        "used_tokens": frame.tokens,
        "summary": frame.summary.value,
        "missing": list(frame.missing),
        "digest": _digest_of(messages),
        "memories": sum(
            decision.taken and decision.candidate.id.startswith(MEMORY) for decision in decisions
        ),
        "sources": _totals(decisions),
        "items": [_fixed_item(part) for part in frame.fixed] + _items(decisions),
    }


def _digest_of(messages: Sequence[ChatMessage]) -> str:
    digest = hashlib.sha256()
    for message in messages:
        text = message.text.encode("utf-8", "surrogatepass")
        digest.update(f"{message.role.value} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def _totals(decisions: Sequence[Decision]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for decision in decisions:
        of_source = totals.setdefault(
            decision.source.value, {"taken": 0, "taken_tokens": 0, "cut": 0, "cut_tokens": 0}
        )
        kind = "taken" if decision.taken else "cut"
        of_source[kind] += 1
        of_source[f"{kind}_tokens"] += decision.candidate.tokens
    return totals


def _fixed_item(part: Fixed) -> dict[str, Any]:
    return {
        "source": part.name,
        "id": f"message:{part.id}" if part.id else "",
        "hash": text_digest(part.text).hex()[:16],
        "tokens": part.tokens,
        "taken": True,
        "reason": "always there",
    }


def _items(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    listed: dict[Source, int] = {}
    items = []
    for decision in decisions:
        listed[decision.source] = listed.get(decision.source, 0) + 1
        # Whatever of memory a prompt has stands under its answer; memory bounds it.
        is_used = decision.taken and decision.candidate.id.startswith(MEMORY)
        if is_used or listed[decision.source] <= _ITEMS:
            items.append(_item(decision))
    return items


def _item(decision: Decision) -> dict[str, Any]:
    candidate = decision.candidate
    item: dict[str, Any] = {
        "source": decision.source.value,
        "id": candidate.id,
        "hash": text_digest(candidate.text).hex()[:16],
        "tokens": candidate.tokens,
        "taken": decision.taken,
        "reason": decision.reason.value,
    }
    if candidate.score is not None:
        item["score"] = round(candidate.score, 5)
    if candidate.why:
        item["why"] = candidate.why[:_WHY_CHARACTERS]
    return item
