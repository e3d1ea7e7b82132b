"""What every check works on: a parsed file, its imports and parents, findings and suppressions."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from typing_extensions import override

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("apps", "karen_site", "celery_app")

ALLOW = re.compile(r"#\s*lint:\s*allow\s+(?P<rules>[\w\-, ]+?)\s*:\s*(?P<reason>\S.*?)\s*(?:#\}|$)")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks one rule."""

    path: str
    line: int
    rule: str
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One `lint: allow` comment: which rules it silences, and on which lines."""

    line: int
    rules: frozenset[str]
    lines: frozenset[int]


class SourceFile:
    """One Python file, parsed once and asked by many rules.

    `path` is relative to the repository, with forward slashes: rules decide by it where they apply.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = PurePosixPath(path)
        self.text = text
        self.tree = ast.parse(text, filename=path)

    @classmethod
    def read(cls, file: Path, *, root: Path = REPOSITORY) -> "SourceFile":
        """Parse `file`, which lies below `root`."""
        return cls(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the file, parents before children."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of each node but the root."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def comments(self) -> dict[int, str]:
        """The comment of each line that has one."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name → dotted name, for every import of the file at any depth."""
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    names[alias.asname or root] = alias.name if alias.asname else root
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names

    def dotted(self, node: ast.AST) -> str:
        """The dotted name that `node` spells, imports resolved; empty when it is no plain name."""
        tail: list[str] = []
        while isinstance(node, ast.Attribute):
            tail.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(tail)])

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around `node`, innermost first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def function_of(self, node: ast.AST) -> FunctionNode | None:
        """The innermost function that holds `node`."""
        around = self.ancestors(node)
        return next((parent for parent in around if isinstance(parent, FunctionNode)), None)

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the file."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def under(self, *places: str) -> bool:
        """Whether the file is, or lies below, one of `places`; `*` stands for one segment."""
        return any(_covers(place, self.path) for place in places)


def terminal(node: ast.AST) -> str:
    """The last identifier of a name, attribute or call: `self.turn.save` → `save`."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.Call(func=func):
            return terminal(func)
        case _:
            return ""


def keyword_names(call: ast.Call) -> set[str]:
    """The keywords of a call; `**` stands for an unpacked mapping."""
    return {keyword.arg or "**" for keyword in call.keywords}


def python_files(*places: str, root: Path = REPOSITORY) -> list[Path]:
    """The Python files below `places`, sorted."""
    return sorted(
        file
        for place in places
        for file in ((root / place).rglob("*.py") if (root / place).is_dir() else [root / place])
        if file.is_file() and "__pycache__" not in file.parts
    )


def allowances(lines: Iterable[tuple[int, str]], *, alone: frozenset[int]) -> list[Allowance]:
    """The `lint: allow` comments among `lines` (number, text).

    A comment speaks for its own line, or for the next line when it stands `alone` on its line.
    """
    found = []
    for number, text in lines:
        if match := ALLOW.search(text):
            rules = frozenset(name.strip() for name in match["rules"].split(","))
            reach = frozenset({number, number + 1} if number in alone else {number})
            found.append(Allowance(number, rules, reach))
    return found


SQL_FAMILY = "sql-"


def silence(
    findings: Iterable[Finding], allowed: list[Allowance], path: str, *, sql: bool = False
) -> list[Finding]:
    """Drop what is allowed; report every allowance that silences nothing.

    Two checkers read a migration: that of the `sql-` rules (`sql`) and that of all others. Each
    judges the allowances of its own rules only.
    """
    kept, used = [], set()
    for finding in findings:
        spoken = [
            entry
            for entry in allowed
            if finding.line in entry.lines and finding.rule in entry.rules
        ]
        used |= {(entry.line, finding.rule) for entry in spoken}
        if not spoken:
            kept.append(finding)
    unused = (
        Finding(path, entry.line, "unused-allow", f"nothing here breaks {rule}")
        for entry in allowed
        for rule in sorted(entry.rules)
        if rule.startswith(SQL_FAMILY) == sql and (entry.line, rule) not in used
    )
    return sorted([*kept, *unused])


def python_allowances(source: SourceFile) -> list[Allowance]:
    """The `lint: allow` comments of a Python file; above a statement one may span lines."""
    lines = source.text.splitlines()
    alone = {number for number in source.comments if lines[number - 1].lstrip().startswith("#")}
    found = allowances(sorted(source.comments.items()), alone=frozenset(alone))
    return [_reach_over_comments(entry, alone) for entry in found]


def _reach_over_comments(entry: Allowance, alone: set[int]) -> Allowance:
    last = max(entry.lines)
    while last in alone and entry.line in alone:
        last += 1
    return Allowance(entry.line, entry.rules, entry.lines | {last})


def _covers(place: str, path: PurePosixPath) -> bool:
    pattern = PurePosixPath(place).parts
    parts = path.parts[: len(pattern)]
    return len(parts) == len(pattern) and all(
        PurePosixPath(part).match(expected) for part, expected in zip(parts, pattern, strict=True)
    )
