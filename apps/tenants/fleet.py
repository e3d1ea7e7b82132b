"""Migrating the whole fleet: version-gated, template first, one transaction per schema.

A no-op pass over hundreds of tenants must cost one query, so each tenant's row carries the version
of its schema. A tenant that fails is listed and never stops the others; running again is safe.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Sequence

from django.db import DatabaseError, OperationalError, connection, transaction

from apps.core.logging import get_logger
from apps.tenants.contracts import FleetReport
from apps.tenants.models import Tenant
from apps.tenants.template import ensure_template, migrate_schema, schema_version

logger = get_logger(__name__)

_LOCK_TIMEOUT = "5s"
_ATTEMPTS = 3


def outdated_tenants() -> list[Tenant]:
    """Return the tenants whose schema is not of the current version, in one query."""
    return list(Tenant.objects.exclude(schema_version=schema_version()).order_by("created_at"))


def migrate_fleet(*, shard: int = 0, shards: int = 1) -> FleetReport:
    """Bring every outdated tenant schema of this shard to the current version.

    Args:
        shard: Which part this process does, from 0.
        shards: Into how many parts the fleet is divided.
    """
    version = ensure_template().version
    total = Tenant.objects.count()
    # By identity, not by place in a list that shrinks while other shards work.
    mine = [t for t in outdated_tenants() if t.id.int % shards == shard]
    migrated: list[str] = []
    failed: dict[str, str] = {}
    for tenant in mine:
        problem = _migrate_one(tenant, version)
        if problem is None:
            migrated.append(tenant.schema_name)
        else:
            failed[tenant.schema_name] = problem
    return FleetReport(
        version=version,
        migrated=tuple(migrated),
        skipped=total - len(mine),
        failed=failed,
    )


def _migrate_one(tenant: Tenant, version: str) -> str | None:
    problem = ""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
                    cursor.execute("SELECT set_config('statement_timeout', '0', true)")
                migrate_schema(tenant.schema_name)
                Tenant.objects.filter(pk=tenant.pk).update(schema_version=version)
        except OperationalError as error:  # a lock was not had in time: others may finish soon
            problem = str(error).strip()
            threading.Event().wait(random.uniform(0.1, 0.5) * attempt)  # noqa: S311  # jitter
        except DatabaseError as error:
            problem = str(error).strip()
            break
        else:
            return None
    logger.error("fleet.tenant_failed", schema=tenant.schema_name, reason=problem)
    return problem


def migrate_in_processes(*, processes: int, argv: Sequence[str]) -> int:
    """Run `manage.py migrate_fleet` in several processes, a shard each.

    Returns:
        The number of shards that reported failures.
    """
    running = [
        subprocess.Popen([sys.executable, *argv, f"--shard={n}", f"--shards={processes}"])  # noqa: S603
        for n in range(processes)
    ]
    return sum(process.wait() != 0 for process in running)
