"""`manage.py provision_tenant NAME`: create a workspace from the command line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from apps.core import scope
from apps.core.errors import KarenError
from apps.tenants import selectors, services


class Command(BaseCommand):
    """Create one workspace and print its address."""

    help = "Create a workspace and print its address."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("name", help="What people call the organisation.")
        parser.add_argument("--slug", help="Label of its host; made from the name by default.")

    @override
    def handle(self, *_args: Any, **options: Any) -> None:
        """Create it."""
        try:
            with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
                ref = services.provision_tenant(name=options["name"], slug=options["slug"])
        except KarenError as error:
            raise CommandError(error.message()) from error
        self.stdout.write(selectors.workspace_url(ref))
