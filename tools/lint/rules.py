"""Own rules over Python source: each carries the examples that are its test.

Add a rule: write its check in `checks.py`, describe it here with at least one `good` and one `bad`
example, and run `pytest tests/meta/test_lint_rules.py`. A file that may break a rule by design
stands in `exempt` with its reason; a single line is silenced with `# lint: allow <rule>: <reason>`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.lint import checks
from tools.lint.source import (
    PRODUCT,
    REPOSITORY,
    Finding,
    SourceFile,
    python_allowances,
    python_files,
    silence,
)

EVERYWHERE = (*PRODUCT, "tools", "tests", "manage.py")
EDGES = ("apps/*/api", "apps/*/consumers.py", "apps/*/tasks.py", "apps/api", "apps/web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: where it applies, how it is checked, and the examples that prove it.

    Attributes:
        name: what a `lint: allow` comment calls it.
        check: finds the violations in one file.
        places: files and folders it applies to; `*` stands for one path segment.
        exempt: place → reason, for files that break the rule by design.
        example: where the examples pretend to stand.
        good: sources without a finding.
        bad: sources with at least one finding.
    """

    name: str
    check: Callable[[SourceFile], Iterator[checks.Hit]]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    places: tuple[str, ...] = PRODUCT
    exempt: Mapping[str, str] = field(default_factory=dict)
    example: str = "apps/memory/services.py"

    def applies(self, source: SourceFile) -> bool:
        """Whether the rule has something to say about this file."""
        in_migration = "migrations" in source.path.parts
        return source.under(*self.places) and not source.under(*self.exempt) and not in_migration

    def findings(self, source: SourceFile) -> Iterator[Finding]:
        """Every violation in `source`, suppressed or not."""
        if self.applies(source):
            for line, message in self.check(source):
                yield Finding(str(source.path), line, self.name, message)


RULES: tuple[Rule, ...] = (
    Rule(
        name="bare-save",
        check=checks.bare_save,
        good=(
            "turn.save(update_fields=['state'])",
            "def store():\n    turn = Turn(state='queued')\n    turn.save()",
            "def create(self):\n    user = self.model(email='a')\n    user.save(using=self._db)",
            "def save(self, **kwargs):\n    super().save(**kwargs)",
            "form.save()",
            "request.session.save()",
            "picture.save('thumbnail.png')",
        ),
        bad=(
            "turn.save()",
            "def finish(turn):\n    turn.state = 'done'\n    turn.save()",
            "turn = Turn.objects.get(id=1)\nturn.save()",
            "self.object.save(using='default')",
        ),
    ),
    Rule(
        name="tenant-switch",
        check=checks.tenant_switch,
        places=EVERYWHERE,
        exempt={
            "apps/tenants": "the home of the database backend and of provisioning",
            "tools/lint": "speaks about these names",
            "tests/app/tenants": "proves that switching by hand is refused",
        },
        good=(
            "with tenant_scope(tenant.ref):\n    pass",
            "timezone.activate(zone)",
            "translation.activate('de')",
        ),
        bad=(
            "connection.set_schema('t_abc')",
            "connection.set_schema_to_public()",
            "connection.set_tenant(tenant)",
            "with tenant:\n    pass",
            "with self.tenant:\n    pass",
            "tenant.activate()",
            "from django_tenants.utils import schema_context\nwith schema_context('x'):\n    pass",
            "@tenant_context\ndef f():\n    pass",
        ),
    ),
    Rule(
        name="bare-thread",
        check=checks.bare_thread,
        exempt={
            "apps/core/concurrency.py": "the one place where code crosses between threads",
            "apps/providers/engine": "the owner thread of a model serves all tenants, one request "
            "at a time, and gets everything it needs with the request",
        },
        good=(
            "import threading\nthreading.Thread(target=copy_context().run, args=(work,))",
            "loop.run_in_executor(pool, context.run, work)",
            "import threading\nlock = threading.Lock()",
        ),
        bad=(
            "import threading\nthreading.Thread(target=work).start()",
            "from threading import Thread\nThread(target=work)",
            "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(4)",
            "loop.run_in_executor(None, work)",
        ),
    ),
    Rule(
        name="gettext-fstring",
        check=checks.gettext_fstring,
        good=(
            "_('%(count)s left') % {'count': count}",
            "gettext('Hello {name}').format(name=name)",
            "ngettext('one', 'many', n)",
        ),
        bad=(
            "_(f'{count} left')",
            "gettext_lazy('Hello %s' % name)",
            "_('Hello {}'.format(name))",
            "gettext('Hello ' + name)",
        ),
    ),
    Rule(
        name="environ",
        check=checks.environ,
        places=(*PRODUCT, "manage.py"),
        exempt={"karen_site/env.py": "the one typed reader of the environment"},
        good=(
            "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'karen_site.settings.dev')",
            "from django.conf import settings\nsettings.REDIS_URLS",
        ),
        bad=(
            "import os\nos.environ['REDIS_URL']",
            "import os\nos.getenv('DEBUG')",
            "from os import environ\nenviron.get('DEBUG')",
        ),
    ),
    Rule(
        name="raw-redis-key",
        check=checks.raw_redis_key,
        exempt={"apps/core/keys.py": "the builder itself"},
        good=(
            "redis.get(tenant_key('stream', turn_id))",
            "await async_redis(RedisRole.STREAMS).xadd(self._key, fields)",
            "settings.get(f'{name}')",
            "redis.set(key, f'{value}')",
        ),
        bad=(
            "redis.get(f'turn:{turn_id}')",
            "pipe.expire('stream:' + turn_id, 3600)",
            "redis_client(RedisRole.CACHE).set('flag', '1')",
            "self._redis.delete('turn:%s' % turn_id)",
        ),
    ),
    Rule(
        name="sleeping-test",
        check=checks.sleeping_test,
        places=("tests",),
        exempt={
            "tests/stubs": "a stub upstream delays on purpose",
            "tests/bench": "a measurement may pace its load",
            "tests/chaos": "clients back off, and a fault lasts as long as it does in the world",
        },
        example="tests/app/test_turns.py",
        good=("import asyncio\nasync def t():\n    await asyncio.sleep(0)", "event.wait(5)"),
        bad=(
            "import time\ntime.sleep(1)",
            "from time import sleep\nsleep(1)",
            "import asyncio\nasync def t():\n    await asyncio.sleep(0.1)",
        ),
    ),
    Rule(
        name="edge-query",
        check=checks.edge_query,
        places=EDGES,
        example="apps/conversations/api/views.py",
        good=("selectors.list_conversations(actor=actor)",),
        bad=("Conversation.objects.filter(id=1)", "queryset = Turn.objects.none()"),
    ),
    Rule(
        name="function-import",
        check=checks.function_import,
        places=(*PRODUCT, "tools"),
        good=(
            "import json\ndef f():\n    return json",
            "def f():\n    import docx  # optional: only who ingests Word files needs it",
            "class MemoryConfig(AppConfig):\n    def ready(self):\n        from apps import x",
        ),
        bad=(
            "def f():\n    import llama_cpp",
            "def f():\n    import llama_cpp  # noqa: E402",
            "def f():\n    from apps.memory import x  # a reason does not mend a cycle",
            "class A:\n    def ready(self):\n        from apps import x",
        ),
    ),
    Rule(
        name="outbound-http",
        check=checks.outbound_http,
        exempt={
            "apps/core/http.py": "the one outbound client",
            "apps/providers/adapters": "the SDKs' own transports, built on core.http",
        },
        good=("from apps.core import http", "from urllib.parse import urlsplit"),
        bad=(
            "import httpx2",
            "from urllib.request import urlopen",
            "from http import client",
            "import aiohttp",
        ),
    ),
    Rule(
        name="broad-except",
        check=checks.broad_except,
        exempt={
            "apps/jobs/task.py": "the task base: dead-letters with the payload and re-raises",
            "apps/conversations/consumers.py": "the socket relay: turns a bug into one error frame",
            "apps/api/openai/door.py": "no framework stands above it: turns a bug into one answer",
            "apps/api/mcp/door.py": "as the door above",
            "apps/api/mcp/calling.py": "the SDK above would hide a bug from our log and count",
            "apps/jobs/reaper.py": "the reaper: one lease must not end the process for all others",
            "apps/plugins/dispatch.py": "the plugin boundary: isolates and counts a plugin's bug",
        },
        good=("try:\n    f()\nexcept ValueError:\n    pass",),
        bad=(
            "try:\n    f()\nexcept Exception:\n    pass",
            "try:\n    f()\nexcept (ValueError, BaseException):\n    raise",
            "try:\n    f()\nexcept:\n    pass",
        ),
    ),
    Rule(
        name="type-ignore-reason",
        check=checks.type_ignore_reason,
        places=EVERYWHERE,
        good=("x = f()  # type: ignore[arg-type]  # the stub lacks the overload",),
        bad=("x = f()  # type: ignore[arg-type]", "x = f()  # type: ignore"),
    ),
    Rule(
        name="todo-issue",
        check=checks.todo_issue,
        places=EVERYWHERE,
        good=("# TODO(#12): fold into the hub\nx = 1", "# the TODO list of a user: see #4\nx = 1"),
        bad=("# TODO: later\nx = 1", "x = 1  # FIXME"),
    ),
    Rule(
        name="mark-safe",
        check=checks.mark_safe,
        good=("format_html('<b>{}</b>', name)",),
        bad=("mark_safe(text)", "html.SafeString(text)"),
    ),
    Rule(
        name="provider-branch",
        check=checks.provider_branch,
        exempt={"apps/providers/adapters": "wire formats live here"},
        good=("if profile.supports_tools:\n    pass", "if provider == wanted:\n    pass"),
        bad=("if provider == 'openai':\n    pass", "x = route.provider_name in ('a', 'b')"),
    ),
)

RULES_BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def check_source(source: SourceFile, *, rules: Iterable[Rule] = RULES) -> list[Finding]:
    """Every finding of `rules` in one file that no comment allows."""
    found = [finding for rule in rules for finding in rule.findings(source)]
    return silence(found, python_allowances(source), str(source.path))


def check_files(files: Iterable[Path] | None = None, *, root: Path = REPOSITORY) -> list[Finding]:
    """Every finding of all rules in `files`, by default in the whole repository."""
    chosen = python_files(*EVERYWHERE, root=root) if files is None else files
    return [
        finding for file in chosen for finding in check_source(SourceFile.read(file, root=root))
    ]
