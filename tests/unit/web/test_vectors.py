"""One law in two languages: `turns.js` and `domain/snapshot.py` give the same answers.

`tests/web_js/vectors.json` holds logs as a client may receive them, repeated, cut and of several
attempts, and what is shown afterwards. This test checks the file against Python,
`tests/web_js/vectors.test.js` checks it against the browser's module.

    UPDATE_VECTORS=1 pytest tests/unit/web/test_vectors.py   # after a change of the law
"""

import json
import os
from pathlib import Path
from random import Random
from typing import Any

from pydantic import TypeAdapter

from apps.conversations.contracts import TurnEvent, turn_events
from apps.conversations.domain.snapshot import AnswerSnapshot, apply

FILE = Path(__file__).parents[2] / "web_js" / "vectors.json"
MESSAGE = "0198c5f2-0000-7000-8000-0000000000aa"
LOGS = 60
KINDS = ("start", "delta", "delta", "delta", "reasoning", "tool", "tool", "snapshot", "usage")
ENDS = ("done", "error", "cancelled", "interrupted", None)

# Fields beside `kind`; a new kind that is missing here fails the first test below.
BODIES: dict[str, Any] = {
    "start": lambda chance: {
        "model": "m",
        "text": chance.choice(["", "", "as before "]),
        "level": chance.randint(1, 4),
    },
    "delta": lambda chance: {"text": chance.choice(["one ", "zwei ", "\n\n", "— ", "**b** "])},
    "reasoning": lambda chance: {"text": chance.choice(["hm ", "so "])},
    "tool": lambda chance: {
        "call_id": chance.choice("ab"),
        "name": "calculator",
        "arguments": "{}",
        "status": chance.choice(["running", "completed", "failed", "refused"]),
        "result": "4",
        "ms": 3,
    },
    "snapshot": lambda _chance: {"text": "the whole "},
    "usage": lambda _chance: {"prompt_tokens": 3, "completion_tokens": 5, "estimated": False},
    "retrying": lambda _chance: {},
    "done": lambda _chance: {"message_id": MESSAGE, "finish_reason": "stop"},
    "error": lambda _chance: {
        "message_id": MESSAGE,
        "error": {"type": "x", "message": "no", "retryable": True, "correlation_id": "c"},
    },
    "cancelled": lambda _chance: {"message_id": MESSAGE},
    "interrupted": lambda _chance: {"message_id": MESSAGE},
}


def test_every_event_kind_is_drawn() -> None:
    schema = TypeAdapter(TurnEvent).json_schema()
    kinds = {d["properties"]["kind"]["const"] for d in schema["$defs"].values() if _is_event(d)}
    assert kinds == set(BODIES)


def _is_event(definition: dict[str, Any]) -> bool:
    return "const" in definition.get("properties", {}).get("kind", {})


def _event(chance: Random, kind: str) -> dict[str, Any]:
    return {"kind": kind, **BODIES[kind](chance)}


def _log(chance: Random) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    attempts = chance.randint(1, 3)
    for attempt in range(1, attempts + 1):
        kinds = ["start", *chance.choices(KINDS, k=chance.randint(0, 7))]
        end = chance.choice(ENDS) if attempt == attempts else "retrying"
        for kind in [*kinds, *([end] if end else [])]:
            # A worker that lost its lease may still speak as an earlier attempt.
            spoken = attempt if chance.random() < 0.9 else chance.randint(1, attempt)
            frames.append({"attempt": spoken, "event": _event(chance, kind)})
    if chance.random() < 0.2:  # words after the end change nothing
        frames.append({"attempt": attempts + 1, "event": _event(chance, "delta")})
    return [
        {"id": f"17000000{number // 3:02}-{number}", **frame} for number, frame in enumerate(frames)
    ]


def _received(chance: Random, log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the log as a client gets it: cut, resumed a little earlier, some events twice."""
    received: list[dict[str, Any]] = []
    at = 0
    while at < len(log):
        received.append(log[at])
        if chance.random() < 0.15:
            at = max(0, at - chance.randint(0, 4))
            received.extend(log[at : at + chance.randint(0, 4)])
        at += 1
    return received


def _shown(frames: list[dict[str, Any]]) -> dict[str, Any]:
    snapshot = AnswerSnapshot()
    for frame in frames:
        milliseconds, sequence = frame["id"].split("-")
        event = turn_events.validate_python({**frame["event"], "attempt": frame["attempt"]})
        snapshot = apply(snapshot, (int(milliseconds), int(sequence)), event)
    return {
        "cursor": list(snapshot.cursor),
        "attempt": snapshot.attempt,
        "text": snapshot.text,
        "reasoning": snapshot.reasoning,
        "tools": [list(call) for call in snapshot.tools],
        "state": snapshot.state,
    }


def _vectors() -> list[dict[str, Any]]:
    chance = Random(3)  # the same file every time, nothing secret
    vectors = []
    for _number in range(LOGS):
        log = _log(chance)
        frames = _received(chance, log)
        vectors.append({"frames": frames, "shown": _shown(frames), "unbroken": _shown(log)})
    return vectors


def test_the_shared_vectors_are_what_python_shows() -> None:
    vectors = _vectors()
    if os.environ.get("UPDATE_VECTORS"):
        lines = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors)
        FILE.write_text(f"[\n{lines}\n]\n")
    assert json.loads(FILE.read_text()) == vectors


def test_repeats_and_cuts_change_nothing() -> None:
    assert [v["shown"] for v in _vectors()] == [v["unbroken"] for v in _vectors()]
