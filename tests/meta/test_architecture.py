"""Each import contract catches the violation it was written for, and lets a clean house pass.

A skeleton of the house is generated for each violation, broken in exactly one place, and judged by
the contracts of our real `pyproject.toml`. All skeletons are judged in one process of their own,
because import-linter looks packages up by name and ours are already imported here.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

APPS = (
    "core", "audit", "jobs", "tenants", "accounts", "providers", "memory", "knowledge",
    "conversations", "agents", "learning", "api", "web", "admin",
)  # fmt: skip

# What a well-behaved app looks like: module → its source. `{app}` is the app's name.
ROOMS = {
    "contracts.py": "from dataclasses import dataclass\n",
    "errors.py": "from apps.core.errors import KarenError\n",
    "domain/__init__.py": "",
    "domain/scoring.py": "import math\nfrom apps.{app}.contracts import dataclass\n",
    "models.py": "from django.db import models\nfrom apps.{app}.domain import scoring\n",
    "selectors.py": "from apps.{app} import models\nfrom apps.{app}.contracts import dataclass\n",
    "services.py": "from apps.{app} import selectors\nfrom apps.core import scope\n",
    "tasks.py": "from celery import shared_task\nfrom apps.{app} import services\n",
    "consumers.py": "from apps.{app} import services, selectors\n",
    "api/__init__.py": "",
    "api/views.py": "from rest_framework import views\nfrom apps.{app} import services\n",
    "api/urls.py": "from apps.{app}.api import views\n",
    "admin.py": "from django.contrib import admin\nfrom apps.{app} import models\n",
    "migrations/__init__.py": "",
    "migrations/0001_initial.py": "from django.db import migrations\n",
}

# The house around those rooms, and the imports across borders that must stay allowed.
HOUSE = {
    "apps/__init__.py": "",
    "apps/core/__init__.py": "",
    "apps/core/errors.py": "",
    "apps/core/scope.py": "from contextvars import ContextVar\n",
    "apps/web/__init__.py": "",
    "apps/web/views.py": "from apps.conversations import selectors, hub\n",
    "apps/api/__init__.py": "",
    "apps/api/urls.py": "from apps.conversations.api import urls\n",
    "apps/api/mcp/__init__.py": "",
    "apps/api/mcp/server.py": "import mcp\nimport mcp_types\n",
    "apps/memory/analytics/__init__.py": "",
    "apps/memory/analytics/parquet.py": "import duckdb\n",
    "apps/admin/__init__.py": "",
    "apps/admin/site.py": "from apps.tenants.models import models\n",
    "apps/jobs/task.py": "from apps.audit import services\n",
    "apps/tenants/postgresql/__init__.py": "",
    "apps/tenants/postgresql/base.py": "from django_tenants.postgresql_backend import base\n",
    "apps/providers/gateway.py": "from apps.providers.adapters import openai_compatible\n",
    "apps/providers/adapters/__init__.py": "",
    "apps/providers/adapters/openai_compatible.py": "import openai\n",
    "apps/providers/adapters/openai_tokens.py": "import bpe_openai\n",
    "apps/providers/adapters/onnx_embed.py": "import onnxruntime\nimport tokenizers\n",
    "apps/providers/adapters/spacy_ner.py": "import spacy\n",
    "apps/providers/engine/__init__.py": "",
    "apps/providers/engine/owner.py": "def load():\n    import llama_cpp\n",
    "apps/conversations/hub.py": "from apps.conversations import services\n",
    "apps/conversations/context.py": "from apps.memory import services as memory\n",
    "apps/conversations/instructions.py": "from apps.conversations.contracts import dataclass\n",
    "apps/conversations/orchestrator.py": (
        "from apps.conversations import context, instructions\n"
        "from apps.providers import gateway\n"
        "from apps.jobs.task import services\n"
    ),
    "karen_site/__init__.py": "",
    "karen_site/urls.py": "from apps.api import urls\n",
    "celery_app/__init__.py": "",
    "celery_app/app.py": "from celery import Celery\n",
}
BARE = {"core", "web", "api", "admin"}  # without the usual rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One way to break the house: what is appended where, and which contract must say so."""

    contract: str
    path: str
    source: str


VIOLATIONS = {
    "an upward import": Violation(
        contract="apps",
        path="apps/memory/services.py",
        source="from apps.conversations import services as conversations",
    ),
    "a model that imports a service": Violation(
        contract="inside",
        path="apps/memory/models.py",
        source="from apps.memory import services",
    ),
    "foreign models, as a module": Violation(
        contract="facade",
        path="apps/conversations/services.py",
        source="import apps.memory.models",
    ),
    "foreign models, by name": Violation(
        contract="facade",
        path="apps/conversations/services.py",
        source="from apps.memory.models import models",
    ),
    "celery_app from an app": Violation(
        contract="wiring",
        path="apps/memory/services.py",
        source="from celery_app.app import Celery",
    ),
    "Django in domain code": Violation(
        contract="pure",
        path="apps/memory/domain/scoring.py",
        source="from django.utils import timezone",
    ),
    "openai inside a function": Violation(
        contract="vendors-llm",
        path="apps/conversations/orchestrator.py",
        source="def ask():\n    import openai",
    ),
    "django_tenants outside tenants": Violation(
        contract="vendors-tenancy",
        path="apps/memory/services.py",
        source="from django_tenants.utils import tenant_context",
    ),
    "a cycle through a function-level import": Violation(
        contract="no-cycles",
        path="apps/conversations/context.py",
        source="def pack():\n    from apps.conversations import orchestrator",
    ),
    "an unlisted app": Violation(
        contract="apps",
        path="apps/billing/__init__.py",
        source="",
    ),
    "an upward TYPE_CHECKING import": Violation(
        contract="apps",
        path="apps/memory/selectors.py",
        source=(
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n"
            "    from apps.conversations.contracts import dataclass as turn"
        ),
    ),
    "a sibling that imports its sibling": Violation(
        contract="apps",
        path="apps/knowledge/services.py",
        source="from apps.memory import services as memory",
    ),
    "a task that queries": Violation(
        contract="edges",
        path="apps/memory/tasks.py",
        source="from apps.memory.models import models",
    ),
    "a consumer that queries": Violation(
        contract="edges",
        path="apps/conversations/consumers.py",
        source="from apps.conversations import models",
    ),
    "a migration that imports a service": Violation(
        contract="migrations",
        path="apps/memory/migrations/0001_initial.py",
        source="from apps.memory import services",
    ),
    # Beyond the fifteen of the house rules:
    "a view that queries": Violation(
        contract="edges",
        path="apps/conversations/api/views.py",
        source="from apps.conversations.models import models",
    ),
    "a page that reaches past the facade": Violation(
        contract="facade",
        path="apps/web/views.py",
        source="from apps.conversations import orchestrator",
    ),
    "the assembly of the API that queries": Violation(
        contract="edges",
        path="apps/api/urls.py",
        source="from apps.conversations.models import models",
    ),
    "the local model outside its engine": Violation(
        contract="vendors-llm",
        path="apps/providers/gateway.py",
        source="import llama_cpp",
    ),
    "embedding weights outside the adapters": Violation(
        contract="vendors-llm",
        path="apps/memory/services.py",
        source="import onnxruntime",
    ),
    "spaCy outside its module": Violation(
        contract="vendors-nlp",
        path="apps/providers/gateway.py",
        source="import spacy",
    ),
    "the SDK of MCP outside its module": Violation(
        contract="vendors-mcp",
        path="apps/api/urls.py",
        source="from mcp import Client",
    ),
    "DuckDB outside its module": Violation(
        contract="vendors-duckdb",
        path="apps/memory/services.py",
        source="import duckdb",
    ),
    "Redis in a contract": Violation(
        contract="pure",
        path="apps/memory/contracts.py",
        source="import redis",
    ),
}


def build_house(root: Path, violation: Violation | None = None) -> None:
    """Write a clean skeleton of the house under `root`, then break it in one place."""
    files = dict(HOUSE)
    for app in APPS:
        if app not in BARE:
            files[f"apps/{app}/__init__.py"] = ""
            files |= {f"apps/{app}/{room}": text.format(app=app) for room, text in ROOMS.items()}
    if violation is not None:
        files[violation.path] = files.get(violation.path, "") + violation.source + "\n"
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def judge(*roots: Path) -> list[dict[str, str]]:
    """The broken contracts of each tree, in the order of `roots`."""
    process = subprocess.run(
        [sys.executable, "-m", "tools.lint.contracts", *map(str, roots)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    verdicts: dict[str, dict[str, str]] = json.loads(process.stdout)
    return [verdicts[str(root)] for root in roots]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The broken contracts of the clean skeleton ("clean") and of each violation."""
    houses: dict[str, Violation | None] = {"clean": None, **VIOLATIONS}
    roots = [tmp_path_factory.mktemp("house") for _ in houses]
    for root, violation in zip(roots, houses.values(), strict=True):
        build_house(root, violation)
    return dict(zip(houses, judge(*roots), strict=True))


def test_a_clean_house_keeps_every_contract(verdicts: dict[str, dict[str, str]]) -> None:
    assert verdicts["clean"] == {}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_reported_by_the_contract_meant_for_it(
    verdicts: dict[str, dict[str, str]], name: str
) -> None:
    contract = VIOLATIONS[name].contract
    assert contract in verdicts[name], f"only {sorted(verdicts[name])} spoke"
    assert not verdicts[name][contract].startswith("could not run"), verdicts[name][contract]


def test_every_contract_has_a_violation_that_breaks_it() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    contracts = {line.split('"')[1] for line in text.splitlines() if line.startswith("id = ")}
    assert contracts == {violation.contract for violation in VIOLATIONS.values()}


def test_the_real_house_keeps_every_contract() -> None:
    (broken,) = judge(REPOSITORY)
    assert broken == {}, "\n".join(f"{name}: {why}" for name, why in broken.items())
