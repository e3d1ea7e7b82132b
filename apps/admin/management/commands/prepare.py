"""`manage.py prepare`: everything that must be true before the servers start."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from typing_extensions import override

from apps.admin.preparation import prepare
from apps.tenants.template import TemplateError


class Command(BaseCommand):
    """Prepare the database, the template, the demo workspace and static files."""

    help = "Prepare the installation; the last line of output is JSON for the starter."
    requires_system_checks = ()

    @override
    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            report = prepare()
        except OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(
                f"The database cannot be reached; check DATABASE_URL: {reason}"
            ) from error
        except TemplateError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(report))
