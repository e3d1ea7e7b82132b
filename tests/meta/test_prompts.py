"""No instruction for a model stands outside the prompt registry (docs/prompts.md)."""

import ast
from pathlib import Path

from tools.lint.source import REPOSITORY

# Where instructions may stand, and why.
REGISTERED = {
    "apps/api/mcp/server.py": "tells other assistants' models what the tools are for: the contract",
    "apps/conversations/prompts.py": "declares the chat's prompts",
    "apps/memory/prompts.py": "declares the prompt of learning",
    "apps/memory/summarising.py": "declares the prompt of consolidation",
    "apps/providers/prompts/builtin.py": "declares the gateway's prompts",
    "apps/providers/domain/plain.py": "names a tool's result for models without tools: wire format",
}


def told_to_models(text: str) -> list[str]:
    """Texts that a module writes into a message for a model itself, or keeps for one."""
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and _name(node.func) in {"ChatMessage", "PromptMessage"}:
            found += [
                literal
                for keyword in node.keywords
                if keyword.arg == "text"
                for literal in _literals(keyword.value)
            ]
        if isinstance(node, ast.Assign) and any("INSTRUCTION" in _name(t) for t in node.targets):
            found += _literals(node.value)
    return found


def _name(node: ast.AST) -> str:
    return getattr(node, "id", "") or getattr(node, "attr", "")


def _literals(node: ast.AST) -> list[str]:
    """The sentences among the text constants within an expression."""
    constants = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
    return [each for each in constants if isinstance(each, str) and len(each.split()) > 3]


def test_a_hard_coded_instruction_would_be_found() -> None:
    written = 'ChatMessage(role=Role.SYSTEM, text=f"You are the one who {does} it")'
    kept = '_INSTRUCTION = ("Write a title for " "this conversation")'

    assert len(told_to_models(written)) == 1
    assert told_to_models(kept) == ["Write a title for this conversation"]
    assert told_to_models("ChatMessage(role=role, text=prompt_text(FACTS))") == []


def test_what_models_are_told_is_in_the_registry() -> None:
    files = [path for path in (REPOSITORY / "apps").rglob("*.py") if "migrations" not in path.parts]
    found = {
        relative: told
        for path in files
        if (relative := _relative(path)) not in REGISTERED
        and (told := told_to_models(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_every_exemption_is_needed() -> None:
    for relative in REGISTERED:
        assert told_to_models((REPOSITORY / relative).read_text(encoding="utf-8"))


def _relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()
