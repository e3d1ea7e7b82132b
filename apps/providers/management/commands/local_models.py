"""Lists local model files and accepts one that was replaced on purpose."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from apps.providers import catalogue, trust
from apps.providers.errors import ConfigurationError


class Command(BaseCommand):
    """`manage.py local_models [--trust FILE]`."""

    help = "List GGUF files and whether they would be loaded; --trust accepts an altered one."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--trust", metavar="FILE", help="file name inside MODELS_DIR")

    @override
    def handle(self, *args: object, trust: str | None = None, **options: object) -> None:
        files = catalogue.local_files()
        if trust is not None:
            self._accept(trust, files)
        for name, path in files.items():
            self.stdout.write(f"local/{name}  {path.name}  {_state(path)}")
        missing = catalogue.why_no_local_model()
        if missing:
            self.stdout.write(missing)

    def _accept(self, file: str, files: dict[str, Path]) -> None:
        path = next((path for path in files.values() if path.name == file), None)
        if path is None:
            raise CommandError(f"There is no {file} in the models folder.")
        changed = trust.register(path)
        self.stdout.write(f"{file}: {'accepted' if changed else 'was accepted already'}")


def _state(path: Path) -> str:
    if not trust.is_known(path):
        return "new: accepted at its first use"
    try:
        trust.verify(path)
    except ConfigurationError as error:
        return f"refused: {error.hint}"
    return "ok"
