"""Architecture contracts: our own contract type, and a runner that needs no configuration lookup.

`lint-imports` reads `pyproject.toml` and finds `AppFacadeContract` by the name written there.
`check_tree` evaluates the same contracts over any tree that has our root packages; the architecture
test feeds it deliberately broken skeletons (`python -m tools.lint.contracts ROOT...`).
"""

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
from grimp.exceptions import GrimpException
from importlinter import Contract, ContractCheck, fields, output
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract
from typing_extensions import override

REPOSITORY = Path(__file__).resolve().parents[2]


class AppFacadeContract(Contract):
    """Other apps may import only the public modules of an app.

    One rule instead of a `protected` contract for each app: a new app needs no configuration.

    Options:
        package: the package that holds the apps.
        public_modules: the names below `<package>.<app>` that are open to everybody.
        privileged_importers: the apps that wire things together and may reach anywhere.
        open_apps: the apps without a facade.
    """

    type_name = "app_facade"

    package = fields.StringField()
    public_modules = fields.SetField(subfield=fields.StringField())
    privileged_importers = fields.SetField(subfield=fields.StringField(), required=False)
    open_apps = fields.SetField(subfield=fields.StringField(), required=False)

    @override
    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        broken = [
            (importer, imported, self._lines(graph, importer, imported))
            for importer in sorted(graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if self._reaches_inside(importer, imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    @override
    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported, lines in check.metadata["broken"]:
            where = ", ".join(str(line) for line in lines) or "?"
            output.print_error(f"{importer} (l.{where}) reaches into {imported}", bold=False)

    def _reaches_inside(self, importer: str, imported: str) -> bool:
        source, target = self._parts(importer), self._parts(imported)
        if source is None or target is None or len(target) == 1:
            return False
        if source[0] == target[0] or source[0] in self._names("privileged_importers"):
            return False
        return target[0] not in self._names("open_apps") and target[1] not in self._names(
            "public_modules"
        )

    def _parts(self, module: str) -> list[str] | None:
        """What follows the package in `module`, or None for a module outside it."""
        prefix = f"{self.package}."
        return module.removeprefix(prefix).split(".") if module.startswith(prefix) else None

    def _names(self, option: str) -> set[str]:
        # import-linter puts the parsed set (or None) over the field object of the same name.
        return getattr(self, option) or set()

    @staticmethod
    def _lines(graph: grimp.ImportGraph, importer: str, imported: str) -> list[int]:
        details = graph.get_import_details(importer=importer, imported=imported)
        return [detail["line_number"] for detail in details]


CONTRACT_TYPES: dict[str, type[Contract]] = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "app_facade": AppFacadeContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}


def check_tree(root: Path, *, config: Path = REPOSITORY / "pyproject.toml") -> dict[str, str]:
    """Evaluate every contract of `config` over the packages under `root`.

    Nothing under `root` is imported, but Python must not have imported packages of the same names
    from elsewhere: call this in a process of its own.

    Returns:
        The broken contracts: id → what is wrong. Empty when all are kept.
    """
    configuration = read_configuration(str(config))
    session: dict[str, Any] = configuration["session_options"]
    with _first_on_path(root):
        graph = grimp.build_graph(
            *session["root_packages"], include_external_packages=True, cache_dir=None
        )
    broken: dict[str, str] = {}
    for options in configuration["contracts_options"]:
        contract = CONTRACT_TYPES[options["type"]](
            name=options["name"], session_options=session, contract_options=options
        )
        try:
            check = contract.check(deepcopy(graph), verbose=False)
        except (ValueError, GrimpException) as error:  # a required layer or module is missing
            broken[options["id"]] = f"could not run: {error}"
        else:
            if not check.kept:
                broken[options["id"]] = str(check.metadata)
    return broken


@contextmanager
def _first_on_path(root: Path) -> Iterator[None]:
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))


def main(roots: list[str]) -> int:
    """Print `{root: {contract id: what is wrong}}` as JSON for each tree in `roots`."""
    json.dump({root: check_tree(Path(root)) for root in roots}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
