"""Making an installation ready to serve: database, template, fleet, demo, static files."""

import hashlib
import json
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from typing_extensions import TypedDict

from apps.accounts import services as accounts
from apps.core import scope
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import ledger
from apps.tenants import selectors as tenants
from apps.tenants.fleet import migrate_fleet
from apps.tenants.provisioning import fill_spares
from apps.tenants.template import ensure_template

logger = get_logger(__name__)

_DEMO_SLUG = "demo"
_DEMO_EMAIL = "demo@karen.example"


class DemoLogin(TypedDict):
    """How to sign in to the demo workspace."""

    url: str
    email: str
    password: str


class Prepared(TypedDict):
    """What `prepare` reports; the last line of its output, as JSON."""

    demo: DemoLogin | None
    notes: list[str]


def prepare() -> Prepared:
    """Bring everything up to date; safe to run at every start and quick when nothing changed."""
    notes: list[str] = []
    with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
        _bootstrap_database()
        _migrate_public()
        ledger.tend_ledger()
        ensure_template()
        report = migrate_fleet()
        notes += [f"workspace {schema}: {reason}" for schema, reason in report.failed.items()]
        fill_spares()
        demo = _demo_workspace() if settings.DEMO else None
        _collect_static()
    return Prepared(demo=demo, notes=notes)


def _bootstrap_database() -> None:
    # Extensions belong to the database, not to whichever schema is current (decisions.md, trap 12).
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")


def _migrate_public() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command(MigrateCommand(), interactive=False, verbosity=0)


def _demo_file() -> Path:
    return Path(settings.KAREN_VAR) / "demo.json"


def _demo_workspace() -> DemoLogin | None:
    # The password is made once and kept readable by the owner only: a well-known one would be an
    # open door on every machine that binds to more than loopback.
    ref = tenants.find_ref_by_slug(_DEMO_SLUG)
    file = _demo_file()
    if ref is None:
        password = f"demo-{secrets.token_hex(4)}"
        try:
            signed_up = accounts.sign_up(
                email=_DEMO_EMAIL,
                password=password,
                name="Demo",
                organisation="Demo",
                slug=_DEMO_SLUG,
            )
        except KarenError as error:
            logger.warning("demo.not_created", reason=str(error))
            return None
        ref = signed_up.tenant
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps({"password": password}))
    if not file.exists():
        return None
    password = str(json.loads(file.read_text())["password"])
    return DemoLogin(url=tenants.workspace_url(ref), email=_DEMO_EMAIL, password=password)


def _collect_static() -> None:
    stamp = Path(settings.STATIC_ROOT) / ".sources"
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            file = Path(storage.path(path))
            info = file.stat()
            digest.update(f"{path}|{info.st_mtime_ns}|{info.st_size}\n".encode())
    sources = digest.hexdigest()
    if stamp.exists() and stamp.read_text() == sources:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(sources)
