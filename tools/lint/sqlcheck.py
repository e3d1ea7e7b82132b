"""Migrations that are safe while the previous release still runs (style C31), read from the source.

The fleet migrates tenant by tenant under traffic, in one short transaction each. So a migration
may not rewrite a table, index or check a table that already has rows under its lock, demand a
value that old code does not write, or take away what old code still reads. Tables that the same
file creates are empty and may be treated freely.

Nothing is executed: an app's migrations are replayed in the order of their numbers, and the
operations of each file are compared with what the earlier files built.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.lint.source import (
    REPOSITORY,
    Finding,
    SourceFile,
    python_allowances,
    silence,
    terminal,
)

Hit = tuple[int, str, str]  # line, rule, message
Judge = Callable[[ast.Call], list[str]]

INDEX = "sql-index"
NOT_NULL = "sql-not-null"
REWRITE = "sql-rewrite"
DROP = "sql-drop"
CONSTRAINT = "sql-constraint"
DATA = "sql-data"

MESSAGES = {
    INDEX: "locks a table that has rows: AddIndexConcurrently in a migration with atomic = False",
    NOT_NULL: "old code writes no value: give a default or db_default, or start with null=True",
    REWRITE: "may rewrite the table: add a new column, backfill it by a task, switch later",
    DROP: "old code still uses it: stop using it now, drop it one release later",
    CONSTRAINT: "checks every row under a lock: AddConstraintNotValid, then ValidateConstraint",
    DATA: "data moves are Celery backfills in idempotent batches, not migrations",
}

WIDER_TEXT = {("CharField", "TextField"), ("SlugField", "TextField"), ("EmailField", "TextField")}
SHAPE = ("max_digits", "decimal_places", "db_type", "db_collation", "dimensions", "expression")
INDEXING_FIELDS = {"ForeignKey", "OneToOneField", "SlugField"}

TABLE = r"(?P<table>[\w.\"]+)"
ALTER = rf"\balter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?{TABLE}[^;]*\b"
RAW_SQL = (
    (INDEX, rf"\bcreate\s+(?:unique\s+)?index\s+(?!concurrently)[^;]*?\bon\s+(?:only\s+)?{TABLE}"),
    (REWRITE, ALTER + r"alter\s+(?:column\s+)?[\w\"]+\s+(?:set\s+data\s+)?type\b"),
    (REWRITE, rf"\b(?:vacuum\s+full|cluster)\s+{TABLE}"),
    (NOT_NULL, ALTER + r"set\s+not\s+null\b"),
    (NOT_NULL, ALTER + r"add\s+column\b(?![^;]*\bdefault\b)[^;,]*\bnot\s+null\b"),
    (DROP, rf"\bdrop\s+table\s+(?:if\s+exists\s+)?{TABLE}"),
    (DROP, ALTER + r"(?:drop\s+column|rename)\b"),
    (CONSTRAINT, ALTER + r"add\s+constraint\b(?![^;]*\b(?:not\s+valid|using\s+index)\b)"),
    (DATA, rf"\bupdate\s+(?:only\s+)?{TABLE}\s+set\b"),
    (DATA, rf"\bdelete\s+from\s+{TABLE}"),
)
CREATED_TABLE = re.compile(
    r"create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?([\w.\"]+)", re.IGNORECASE
)


@dataclass
class History:
    """What the migrations read so far have built: model → field name → the field's call."""

    models: dict[str, dict[str, ast.Call]] = field(default_factory=dict)


@dataclass
class Replay:
    """One migration file, replayed over the history of its app."""

    app: str
    history: History
    created: set[str] = field(default_factory=set)  # models this file creates
    tables: set[str] = field(default_factory=set)  # tables its raw SQL creates

    def hits(self, operations: list[ast.expr], *, database: bool = True) -> Iterator[Hit]:
        """Judge and apply `operations`; `database=False` for what changes only Django's state."""
        for operation in operations:
            if not isinstance(operation, ast.Call):
                continue
            name = terminal(operation.func)
            if name == "SeparateDatabaseAndState":
                yield from self._separated(operation)
                continue
            judge: Judge | None = getattr(self, f"_on_{name.lower()}", None)
            for rule in judge(operation) if judge is not None else ():
                if database:
                    yield operation.lineno, rule, MESSAGES[rule]

    def _separated(self, operation: ast.Call) -> Iterator[Hit]:
        yield from self.hits(_items(_argument(operation, "database_operations", 0)))
        state = _items(_argument(operation, "state_operations", 1))
        yield from self.hits(state, database=False)

    def _is_new(self, operation: ast.Call, keyword: str = "model_name") -> bool:
        return _text(_argument(operation, keyword, 0)).lower() in self.created

    def _on_createmodel(self, operation: ast.Call) -> list[str]:
        model = _text(_argument(operation, "name", 0)).lower()
        self.created.add(model)
        pairs = [_items(pair) for pair in _items(_argument(operation, "fields", 1))]
        self.history.models[model] = {
            _text(pair[0]): pair[1]
            for pair in pairs
            if len(pair) == 2 and isinstance(pair[1], ast.Call)
        }
        return []

    def _on_addfield(self, operation: ast.Call) -> list[str]:
        definition = _argument(operation, "field", 2)
        if not isinstance(definition, ast.Call):
            return []
        is_new = self._is_new(operation)
        self._remember(operation, definition)
        kind = terminal(definition.func)
        if is_new or kind == "ManyToManyField":
            return []
        found = []
        if kind == "GeneratedField":
            found.append(REWRITE)
        elif not (_is_true(definition, "null") or _given(definition, "default", "db_default")):
            found.append(NOT_NULL)
        if _makes_index(definition):
            found.append(INDEX)
        return found

    def _on_alterfield(self, operation: ast.Call) -> list[str]:
        definition = _argument(operation, "field", 2)
        if not isinstance(definition, ast.Call):
            return []
        before = self._remember(operation, definition)
        if self._is_new(operation) or before is None:
            return []
        return list(_alteration(before, definition))

    def _remember(self, operation: ast.Call, definition: ast.Call) -> ast.Call | None:
        model = _text(_argument(operation, "model_name", 0)).lower()
        name = _text(_argument(operation, "name", 1))
        fields = self.history.models.setdefault(model, {})
        before = fields.get(name)
        fields[name] = definition
        return before

    def _on_removefield(self, operation: ast.Call) -> list[str]:
        return [] if self._is_new(operation) else [DROP]

    _on_renamefield = _on_removefield

    def _on_deletemodel(self, operation: ast.Call) -> list[str]:
        return [] if self._is_new(operation, "name") else [DROP]

    _on_altermodeltable = _on_deletemodel

    def _on_renamemodel(self, operation: ast.Call) -> list[str]:
        return [] if self._is_new(operation, "old_name") else [DROP]

    def _on_addindex(self, operation: ast.Call) -> list[str]:
        return [] if self._is_new(operation) else [INDEX]

    def _on_alteruniquetogether(self, operation: ast.Call) -> list[str]:
        return [] if self._is_new(operation, "name") else [INDEX]

    def _on_addconstraint(self, operation: ast.Call) -> list[str]:
        constraint = _argument(operation, "constraint", 1)
        if self._is_new(operation) or constraint is None:
            return []
        checks = terminal(constraint) == "CheckConstraint"
        return [CONSTRAINT if checks else INDEX]

    def _on_runpython(self, operation: ast.Call) -> list[str]:
        code = _argument(operation, "code", 0)
        return [] if code is not None and terminal(code) == "noop" else [DATA]

    def _on_runsql(self, operation: ast.Call) -> list[str]:
        statement = _argument(operation, "sql", 0)
        sql = "; ".join(
            part.value
            for part in (ast.walk(statement) if statement is not None else ())
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        )
        sql = re.sub(r"--[^\n]*", "", sql)
        self.tables |= {_table(name) for name in CREATED_TABLE.findall(sql)}
        new = self.tables | {f"{self.app}_{model}" for model in self.created}
        return [
            rule
            for rule, pattern in RAW_SQL
            for match in re.finditer(pattern, sql, re.IGNORECASE)
            if _table(match["table"]) not in new
        ]


def _alteration(before: ast.Call, after: ast.Call) -> Iterator[str]:
    kinds = (terminal(before.func), terminal(after.func))
    if kinds[0] != kinds[1]:
        reshaped = kinds not in WIDER_TEXT
    else:
        reshaped = any(_dump(before, option) != _dump(after, option) for option in SHAPE)
        reshaped = reshaped or _is_narrower(before, after)
    if reshaped:
        yield REWRITE
    if _is_true(before, "null") and not _is_true(after, "null"):
        yield NOT_NULL
    if _makes_index(after) and not _makes_index(before):
        yield INDEX


def _is_narrower(before: ast.Call, after: ast.Call) -> bool:
    old, new = (_keyword(call, "max_length") for call in (before, after))
    if new is None or _dump_node(old) == _dump_node(new):
        return False
    if not (isinstance(old, ast.Constant) and isinstance(new, ast.Constant)):
        return True
    return not (isinstance(old.value, int) and isinstance(new.value, int) and new.value > old.value)


def _makes_index(definition: ast.Call) -> bool:
    indexing = terminal(definition.func) in INDEXING_FIELDS
    if indexing and _keyword(definition, "db_index") is not None:
        indexing = _is_true(definition, "db_index")
    return indexing or _is_true(definition, "db_index") or _is_true(definition, "unique")


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == name), None)


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    value = _keyword(call, name)
    return value if value is not None or position >= len(call.args) else call.args[position]


def _given(call: ast.Call, *names: str) -> bool:
    return any(_keyword(call, name) is not None for name in names)


def _is_true(call: ast.Call, name: str) -> bool:
    value = _keyword(call, name)
    return isinstance(value, ast.Constant) and value.value is True


def _items(node: ast.expr | None) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.List | ast.Tuple) else []


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _dump(call: ast.Call, option: str) -> str:
    return _dump_node(_keyword(call, option))


def _dump_node(node: ast.expr | None) -> str:
    return "" if node is None else ast.dump(node)


def _table(name: str) -> str:
    return name.replace('"', "").rpartition(".")[2].lower()


def check_migration(source: SourceFile, history: History, *, app: str) -> list[Finding]:
    """Every unsafe operation of one migration that no comment allows; extends `history`."""
    replay = Replay(app, history)
    found = [
        Finding(str(source.path), line, rule, message)
        for node in source.nodes
        if isinstance(node, ast.Assign)
        and any(
            isinstance(target, ast.Name) and target.id == "operations" for target in node.targets
        )
        for line, rule, message in replay.hits(_items(node.value))
    ]
    return silence(found, python_allowances(source), str(source.path), sql=True)


def check_migrations(*, root: Path = REPOSITORY) -> list[Finding]:
    """Every unsafe operation in the migrations of all apps."""
    findings = []
    for folder in sorted((root / "apps").glob("*/migrations")):
        history = History()
        for file in sorted(folder.glob("[0-9]*.py")):
            source = SourceFile.read(file, root=root)
            findings += check_migration(source, history, app=folder.parent.name)
    return findings
