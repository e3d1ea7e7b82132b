"""One path: no stage is bypassed, and none knows a stage above it (seed 002, part 1)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.lint.source import REPOSITORY

_APPS = REPOSITORY / "apps"
_HERE = _APPS / "conversations"

# The stages, first to last; each may know those after it, never one before it.
STAGES: tuple[frozenset[str], ...] = (
    frozenset({"consumers", "api", "sse", "agui"}),
    frozenset({"hub", "following"}),
    frozenset({"tasks"}),
    frozenset({"orchestrator"}),
    frozenset({"instructions", "elsewhere", "context", "attempt", "aftermath"}),
    frozenset({"degradation"}),
    frozenset({"acting"}),
    frozenset({"answering"}),
    frozenset({"stream", "notices"}),
)
# Who alone may name a thing: "module → what it is about".
GATES: dict[str, frozenset[str]] = {
    "send_message": frozenset({"hub", "services", "commands"}),  # a message comes in
    "answer_again": frozenset({"hub", "services"}),
    "queue_turn": frozenset({"services"}),  # a turn is made
    "run_turn": frozenset({"tasks", "orchestrator"}),  # a turn is run
    "claim_turn": frozenset({"orchestrator", "services"}),
    "system_message": frozenset({"orchestrator", "instructions"}),
    "assemble_prompt": frozenset({"orchestrator", "context"}),
    "CHAT_ANSWER": frozenset({"attempt"}),  # a model is asked for an answer
    "TurnWriter": frozenset({"answering", "stream"}),  # an answer is streamed
    "finish_turn": frozenset({"aftermath", "services"}),  # an answer is kept
}


def _stage_of(module: str) -> int | None:
    first = module.removeprefix("apps.conversations.").partition(".")[0]
    return next((place for place, stage in enumerate(STAGES) if first in stage), None)


def _modules(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(folder.rglob("*.py")):
        if "migrations" in file.parts:
            continue
        dotted = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        yield dotted.removesuffix(".__init__"), ast.parse(file.read_text())


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def upward_imports(modules: Iterator[tuple[str, ast.Module]]) -> list[str]:
    """Return what a stage imports from a stage before it."""
    found = []
    for module, tree in modules:
        own = _stage_of(module)
        for name in _imported(tree):
            other = _stage_of(name) if name.startswith("apps.conversations.") else None
            if own is not None and other is not None and other < own:
                found.append(f"{module} → {name}")
    return sorted(set(found))


def outside_gates(modules: Iterator[tuple[str, ast.Module]]) -> list[str]:
    """Return who uses what only its stage may use; reads of an attribute count as use."""
    found = []
    for module, tree in modules:
        first = module.removeprefix("apps.conversations.").partition(".")[0]
        names = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        inside = module.startswith("apps.conversations.")
        found += [
            f"{module} uses {name}"
            for name, allowed in GATES.items()
            if name in names
            and not (inside and first in allowed)
            # The flow is the gateway's: it plans routes for it and writes rows of it.
            and not (name == "CHAT_ANSWER" and module.startswith("apps.providers."))
        ]
    return found


def test_no_stage_knows_a_stage_before_it() -> None:
    assert upward_imports(_modules(_HERE)) == []


def test_each_stage_is_entered_through_the_one_before_it() -> None:
    assert outside_gates(_modules(_APPS)) == []


def test_every_stage_exists() -> None:
    there = {path.stem for path in _HERE.iterdir()}
    assert frozenset().union(*STAGES) <= there


@pytest.mark.parametrize(
    "module, source",
    [
        ("apps.conversations.stream", "from apps.conversations import orchestrator"),
        ("apps.conversations.stream", "from apps.conversations.hub import ask"),
        ("apps.conversations.hub", "def f():\n    import apps.conversations.consumers"),
        ("apps.conversations.context", "from apps.conversations.orchestrator import run_turn"),
    ],
)
def test_a_lower_stage_that_imports_a_higher_one_is_found(module: str, source: str) -> None:
    assert upward_imports(iter([(module, ast.parse(source))]))


@pytest.mark.parametrize(
    "module, source",
    [
        ("apps.conversations.consumers", "services.send_message(actor=a, message=m)"),
        ("apps.api.openai.assistants", "services.send_message(actor=a)"),
        ("apps.conversations.api.views", "gateway.stream(flow=Flow.CHAT_ANSWER)"),
        ("apps.web.views.chat", "orchestrator.run_turn(turn_id=t)"),
        ("apps.conversations.attempt", "TurnWriter(turn_id, 1)"),
    ],
)
def test_a_bypassed_stage_is_found(module: str, source: str) -> None:
    assert outside_gates(iter([(module, ast.parse(source))]))
