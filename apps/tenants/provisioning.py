"""Making schemas ready: for a sign-up now, and a few ahead of time."""

import base64

from django.conf import settings
from django.db import connection, transaction

from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.tenants.errors import TenantProvisioning
from apps.tenants.models import SchemaTemplate, SpareSchema
from apps.tenants.template import create_schema, ensure_template, quoted_schema, schema_version

logger = get_logger(__name__)

_SPARES_LOCK = 7_403_110_202  # advisory lock: one filler at a time


def new_schema_name() -> str:
    """Return `t_` and a fresh identifier in base32: never anything a user typed."""
    return "t_" + base64.b32encode(new_id().bytes).decode("ascii").rstrip("=").lower()


def take_schema() -> tuple[str, str]:
    """Return (schema name, version) of a ready schema inside the caller's transaction.

    A spare one if there is any, else one made now from the cached template.

    Raises:
        TenantProvisioning: The template of this version was not built yet.
    """
    template = SchemaTemplate.objects.filter(version=schema_version()).first()
    if template is None:  # `prepare` or `migrate_fleet` makes it; a sign-up never waits for that
        logger.error("template.missing", version=schema_version())
        raise TenantProvisioning
    spare = (
        SpareSchema.objects.select_for_update(skip_locked=True)
        .filter(schema_version=template.version)
        .first()
    )
    if spare is not None:
        name = spare.schema_name
        spare.delete()
        return name, template.version
    name = new_schema_name()
    create_schema(name, template)
    return name, template.version


def fill_spares() -> int:
    """Make spare schemas up to the configured number; drop those of an old version.

    Returns:
        How many were made.
    """
    template = ensure_template()
    made = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SPARES_LOCK])
        row = cursor.fetchone()
        if not row or not row[0]:
            return 0
        _drop_outdated(template)
        missing = settings.SPARE_WORKSPACES - SpareSchema.objects.count()
        for _number in range(max(missing, 0)):
            name = new_schema_name()
            create_schema(name, template)
            SpareSchema.objects.create(schema_name=name, schema_version=template.version)
            made += 1
    if made:
        logger.info("spares.filled", made=made)
    return made


def _drop_outdated(template: SchemaTemplate) -> None:
    outdated = SpareSchema.objects.select_for_update(skip_locked=True).exclude(
        schema_version=template.version
    )
    for spare in outdated:
        with connection.cursor() as cursor:  # empty by definition: nobody ever owned it
            cursor.execute(f"DROP SCHEMA IF EXISTS {quoted_schema(spare.schema_name)} CASCADE")
        spare.delete()
