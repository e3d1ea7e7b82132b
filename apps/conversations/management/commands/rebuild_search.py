"""`manage.py rebuild_search`: write the search index again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from apps.conversations.search import elastic, upkeep
from apps.core import scope


class Command(BaseCommand):
    """Rebuild the search index from messages and conversations; searches go on meanwhile."""

    help = "Write the search index of every workspace (or one) again, Elasticsearch's too."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--tenant", help="Slug of the only workspace to rebuild.")

    @override
    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, say how far it is, and print a summary."""
        try:
            with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
                done = upkeep.rebuild(slug=options["tenant"], tell=self.stdout.write)
        except LookupError as error:
            raise CommandError(f"there is no active workspace {error}") from error
        except elastic.ElasticUnavailable as error:
            raise CommandError(
                f"Elasticsearch does not answer as it should ({error}); PostgreSQL's index is "
                "rebuilt, searches use what they used before. Mend it and run again."
            ) from error
        documents = "" if done.documents is None else f", {done.documents} documents"
        self.stdout.write(f"{done.workspaces} workspaces: {done.texts} texts{documents}")
