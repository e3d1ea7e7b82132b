"""How long a workspace's schema takes by migrations alone: `python -m … <how many>`.

Prints a list of seconds as JSON; the schemas are dropped again.
"""

import json
import sys
import time

import django

django.setup()  # the imports below need the apps

from django.db import connection  # noqa: E402

from apps.core import scope  # noqa: E402
from apps.tenants.provisioning import new_schema_name  # noqa: E402
from apps.tenants.template import migrate_schema, quoted_schema  # noqa: E402


def _seconds() -> float:
    name = new_schema_name()
    quoted = quoted_schema(name)
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {quoted}")
    migrate_schema(name)
    seconds = time.perf_counter() - started
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {quoted} CASCADE")
    return seconds


def main() -> None:
    """Measure as often as the command line says."""
    with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
        seconds = [_seconds() for _ in range(int(sys.argv[1]))]
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main()
