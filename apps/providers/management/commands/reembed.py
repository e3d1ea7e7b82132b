"""`manage.py reembed`: have vectors of another model made anew, or say how far that is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from apps.core import scope
from apps.providers import reembedding


class Command(BaseCommand):
    """Enqueue the re-embedding of every workspace; searches go on meanwhile."""

    help = "Have vectors that another embedding model made be made anew, and say how many wait."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--tenant", help="Slug of the only workspace.")
        parser.add_argument(
            "--progress", action="store_true", help="Only say how far it is; enqueue nothing."
        )

    @override
    def handle(self, *_args: Any, **options: Any) -> None:
        """Print a line for each workspace and collection."""
        try:
            refs = reembedding.refs_of(options["tenant"])
        except LookupError as error:
            raise CommandError(f"there is no active workspace {error}") from error
        model = reembedding.present_model()
        self.stdout.write(f"model: {model or 'none is usable'}")
        for ref in refs:
            with (
                scope.tenant_scope(ref),
                scope.actor_scope(scope.SYSTEM),
                scope.correlation_scope(),
            ):
                if not options["progress"]:
                    reembedding.enqueue_reembedding()
                for each in reembedding.list_progress():
                    self.stdout.write(
                        f"{ref.slug} {each.collection}: {each.current} of {each.total}"
                    )
