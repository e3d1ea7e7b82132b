"""The own linters: every rule's examples are its test, and the house itself is clean."""

import pytest

from tools.lint.rules import RULES, Rule, check_files, check_source
from tools.lint.source import REPOSITORY, Finding, SourceFile
from tools.lint.sqlcheck import History, check_migration, check_migrations
from tools.lint.templates import check_template, check_templates, route_names

EXAMPLES = [
    pytest.param(rule, text, expected, id=f"{rule.name}-{kind}-{number}")
    for rule in RULES
    for kind, texts, expected in (("good", rule.good, False), ("bad", rule.bad, True))
    for number, text in enumerate(texts)
]


@pytest.mark.parametrize("rule,text,expected", EXAMPLES)
def test_a_rule_tells_its_good_examples_from_its_bad_ones(
    rule: Rule, text: str, expected: bool
) -> None:
    assert bool(list(rule.findings(SourceFile(rule.example, text)))) is expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_examples_of_both_kinds_and_applies_to_them(rule: Rule) -> None:
    assert rule.good
    assert rule.bad
    assert rule.applies(SourceFile(rule.example, ""))


@pytest.fixture(scope="module")
def house() -> list[Finding]:
    """Every finding in the real tree."""
    return check_files()


@pytest.mark.parametrize("name", [*(rule.name for rule in RULES), "unused-allow"])
def test_the_house_keeps_the_rule(house: list[Finding], name: str) -> None:
    found = [str(finding) for finding in house if finding.rule == name]
    assert not found, "\n".join(found)


def _rules_broken(text: str, path: str = "apps/memory/services.py") -> list[str]:
    return [finding.rule for finding in check_source(SourceFile(path, text))]


def test_a_reasoned_comment_allows_a_finding_on_its_line() -> None:
    assert _rules_broken("turn.save()  # lint: allow bare-save: the importer owns the row\n") == []


def test_a_reasoned_comment_above_allows_the_next_statement() -> None:
    comment = "# lint: allow bare-save: the importer owns the row\n# and nobody else writes it\n"
    text = f"{comment}turn.save()\n"
    assert _rules_broken(text) == []


def test_a_comment_without_a_reason_allows_nothing() -> None:
    assert _rules_broken("turn.save()  # lint: allow bare-save:\n") == ["bare-save"]


def test_a_comment_for_another_rule_allows_nothing_and_is_reported() -> None:
    broken = _rules_broken("turn.save()  # lint: allow environ: wrong rule\n")
    assert sorted(broken) == ["bare-save", "unused-allow"]


def test_migrations_are_left_to_the_migration_linter() -> None:
    assert _rules_broken("turn.save()\n", "apps/memory/migrations/0001_initial.py") == []


# ── migrations ────────────────────────────────────────────────────────────────────────────────────

FIRST = """
from django.db import migrations, models
class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(name="Turn", fields=[
            ("id", models.UUIDField(primary_key=True)),
            ("state", models.CharField(max_length=20)),
            ("note", models.CharField(max_length=20, null=True)),
        ]),
        migrations.AddField("turn", "owner", models.ForeignKey("x.y", models.CASCADE)),
        migrations.AddIndex("turn", models.Index(fields=["state"], name="i")),
    ]
"""

SECOND = """
from django.db import migrations, models
class Migration(migrations.Migration):
    operations = [
        {operation},
    ]
"""

SAFE = {
    "a nullable column": 'migrations.AddField("turn", "a", models.TextField(null=True))',
    "a column with a default": 'migrations.AddField("turn", "a", models.TextField(default=""))',
    "a column with a database default": (
        'migrations.AddField("turn", "a", models.DateTimeField(db_default=Now()))'
    ),
    "a link without rows of its own": (
        'migrations.AddField("turn", "a", models.ManyToManyField("x.y"))'
    ),
    "a wider text": 'migrations.AlterField("turn", "state", models.CharField(max_length=40))',
    "an unbounded text": 'migrations.AlterField("turn", "state", models.TextField())',
    "a new help text": (
        'migrations.AlterField("turn", "state", models.CharField(max_length=20, help_text="x"))'
    ),
    "a concurrent index": 'AddIndexConcurrently("turn", models.Index(fields=["state"], name="i"))',
    "an index on a new table": (
        'migrations.CreateModel(name="Step", fields=[]), '
        'migrations.AddIndex("step", models.Index(fields=["a"], name="i"))'
    ),
    "an unvalidated constraint": 'AddConstraintNotValid("turn", models.CheckConstraint())',
    "raw SQL on a table of the same file": (
        'migrations.RunSQL("CREATE TABLE ledger (a int); CREATE INDEX i ON ledger (a)")'
    ),
    "raw concurrent index": 'migrations.RunSQL("CREATE INDEX CONCURRENTLY i ON x (a)")',
    "a change of state only": (
        "migrations.SeparateDatabaseAndState("
        'database_operations=[], state_operations=[migrations.DeleteModel("Turn")])'
    ),
}

UNSAFE = {
    "sql-not-null": [
        'migrations.AddField("turn", "a", models.TextField())',
        'migrations.AlterField("turn", "note", models.CharField(max_length=20))',
        'migrations.RunSQL("ALTER TABLE x ADD COLUMN a int NOT NULL")',
        'migrations.RunSQL("ALTER TABLE x ALTER COLUMN a SET NOT NULL")',
    ],
    "sql-index": [
        'migrations.AddIndex("turn", models.Index(fields=["state"], name="i"))',
        'migrations.AddField("turn", "a", models.TextField(null=True, db_index=True))',
        'migrations.AddField("turn", "a", models.ForeignKey("x.y", models.CASCADE, null=True))',
        'migrations.AddConstraint("turn", models.UniqueConstraint(fields=["a"], name="u"))',
        'migrations.AlterField("turn", "state", models.CharField(max_length=20, unique=True))',
        'migrations.RunSQL("CREATE UNIQUE INDEX i ON x (a)")',
    ],
    "sql-rewrite": [
        'migrations.AlterField("turn", "state", models.IntegerField())',
        'migrations.AlterField("turn", "state", models.CharField(max_length=10))',
        'migrations.AddField("turn", "a", models.GeneratedField(expression=F("x")))',
        'migrations.RunSQL("ALTER TABLE x ALTER COLUMN a TYPE bigint")',
    ],
    "sql-drop": [
        'migrations.RemoveField("turn", "state")',
        'migrations.DeleteModel("Turn")',
        'migrations.RenameField("turn", "state", "phase")',
        'migrations.RenameModel("Turn", "Round")',
        'migrations.RunSQL(["DROP TABLE x"])',
    ],
    "sql-constraint": [
        'migrations.AddConstraint("turn", models.CheckConstraint(name="c"))',
        'migrations.RunSQL("ALTER TABLE x ADD CONSTRAINT c CHECK (a > 0)")',
    ],
    "sql-data": [
        "migrations.RunPython(forwards)",
        'migrations.RunSQL("UPDATE x SET a = 1")',
    ],
}


def _migrate(operation: str, comment: str = "") -> list[str]:
    history = History()
    first = SourceFile("apps/memory/migrations/0001_initial.py", FIRST)
    assert check_migration(first, history, app="memory") == []
    text = SECOND.format(operation=operation).replace("),\n    ]", f"),{comment}\n    ]")
    second = SourceFile("apps/memory/migrations/0002_more.py", text)
    return [finding.rule for finding in check_migration(second, history, app="memory")]


@pytest.mark.parametrize("name", SAFE)
def test_a_safe_migration_passes(name: str) -> None:
    assert _migrate(SAFE[name]) == []


@pytest.mark.parametrize(
    "rule,operation", [(rule, operation) for rule, found in UNSAFE.items() for operation in found]
)
def test_an_unsafe_migration_is_reported(rule: str, operation: str) -> None:
    assert rule in _migrate(operation)


def test_a_reasoned_comment_allows_an_operation() -> None:
    comment = "  # lint: allow sql-drop: unused since release 1.2"
    assert _migrate('migrations.DeleteModel("Turn")', comment) == []


def test_the_migrations_of_the_house_are_safe() -> None:
    found = check_migrations()
    assert not found, "\n".join(map(str, found))


# ── templates ─────────────────────────────────────────────────────────────────────────────────────

GOOD_TEMPLATES = (
    "<p>{{ name }}</p>",
    '<script type="module" src="/static/chat.js"></script>',
    '<script type="application/json">{"a": 1}</script>',
    "{# a comment about <script>alert()</script> and |safe #}",
    "{% load i18n %}{% translate 'Send' %}",
    "<a href=\"{% url 'known' %}\">there</a>",
    "{% url name %}",
    "{{ text|safe }} {# lint: allow template-safe: sanitised by nh3 in render_markdown #}",
)

BAD_TEMPLATES = (
    ("<script>alert(1)</script>", "template-script"),
    ('<script nonce="{{ nonce }}">go()</script>', "template-script"),
    ('<button onclick="go()">x</button>', "template-script"),
    ('<button hx-on:click="go()">x</button>', "template-script"),
    ('<a href="javascript:go()">x</a>', "template-script"),
    ("<div hx-vals='js:{a: 1}'></div>", "template-script"),
    ('<p style="color: red">x</p>', "template-style"),
    ('<p {% if x %}style="color: red"{% endif %}>x</p>', "template-style"),
    ("<style>p {}</style>", "template-style"),
    ("{{ text|safe }}", "template-safe"),
    ("{% autoescape off %}{{ text }}{% endautoescape %}", "template-safe"),
    ("{% frobnicate %}", "template-syntax"),
    ("{{ text|frobnicate }}", "template-syntax"),
    ("{% if x %}", "template-syntax"),
    ("{% url 'unknown' %}", "template-url"),
)


def _template_rules(text: str) -> list[str]:
    findings = check_template("templates/x.html", text, known_urls=frozenset({"known"}))
    return [finding.rule for finding in findings]


@pytest.mark.parametrize("text", GOOD_TEMPLATES)
def test_a_good_template_passes(text: str) -> None:
    assert _template_rules(text) == []


@pytest.mark.parametrize("text,rule", BAD_TEMPLATES)
def test_a_bad_template_is_reported(text: str, rule: str) -> None:
    assert rule in _template_rules(text)


def test_a_finding_names_the_line_it_stands_on() -> None:
    text = "{% load i18n %}\n\n{% if x %}\n<p>{{ a|safe }}</p>\n{% endif %}\n"
    (finding,) = check_template("templates/x.html", text, known_urls=frozenset())
    assert finding.line == 4


def test_the_templates_of_the_house_are_clean() -> None:
    found = check_templates()
    assert not found, "\n".join(map(str, found))


def test_route_names_carry_their_namespaces() -> None:
    names = route_names()
    assert names
    assert all(not name.startswith(":") for name in names)


def test_every_exempt_place_exists() -> None:
    planned = {"apps/plugins/dispatch.py"}  # arrives with the plugins app
    places = {place for rule in RULES for place in rule.exempt} - planned
    assert {place for place in places if not (REPOSITORY / place).exists()} == set()
