"""`manage.py migrate_fleet`: bring the platform's tables and every workspace up to date."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.commands.migrate import Command as MigrateCommand
from typing_extensions import override

from apps.tenants import fleet
from apps.tenants.template import ensure_template


class Command(BaseCommand):
    """Migrate `public`, the template, then all outdated workspaces."""

    help = "Migrate the platform's tables, the template and every outdated workspace."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--processes", type=int, default=1, help="How many at a time.")
        parser.add_argument("--shard", type=int, default=0, help="Internal: which part.")
        parser.add_argument("--shards", type=int, default=1, help="Internal: of how many parts.")

    @override
    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, print a summary, and fail if any workspace failed."""
        if options["shards"] == 1:
            call_command(MigrateCommand(), interactive=False, verbosity=options["verbosity"])
            ensure_template()
        if options["processes"] > 1:
            argv = [sys.argv[0], "migrate_fleet"]
            if fleet.migrate_in_processes(processes=options["processes"], argv=argv):
                raise CommandError("some workspaces failed; they are listed above")
            return
        report = fleet.migrate_fleet(shard=options["shard"], shards=options["shards"])
        self.stdout.write(
            f"version {report.version}: {len(report.migrated)} migrated, "
            f"{report.skipped} up to date, {len(report.failed)} failed"
        )
        for schema, reason in report.failed.items():
            self.stderr.write(f"{schema}: {reason}")
        if report.failed:
            raise CommandError("some workspaces failed; mend the cause and run again")
