"""Names people can search (style C1, C4): no dumping grounds, no two services with one name."""

import ast
from collections import defaultdict
from pathlib import Path

from tools.lint.source import PRODUCT, REPOSITORY, FunctionNode, python_files

DUMPING_GROUNDS = {"utils", "util", "helpers", "helper", "common", "misc", "lib", "shared", "tools"}

# Public service name → why two apps may both use it.
EXEMPT_SERVICES: dict[str, str] = {}


def dumping_grounds(files: list[Path]) -> list[str]:
    """The modules and packages among `files` that are named after nothing."""
    return [
        str(path)
        for path in files
        for part in path.with_suffix("").parts[1:]  # the first part is a root package
        if part in DUMPING_GROUNDS or part.endswith(("_utils", "_helpers"))
    ]


def public_services(file: Path) -> list[str]:
    """The public functions a services module defines itself."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [
        node.name
        for node in tree.body
        if isinstance(node, FunctionNode) and not node.name.startswith("_")
    ]


def services_by_name() -> dict[str, list[str]]:
    """Public service name → the modules that define it."""
    apps = REPOSITORY / "apps"
    files = [*apps.glob("*/services.py"), *apps.glob("*/services/**/*.py")]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        for name in public_services(file):
            found[name].append(str(file.relative_to(REPOSITORY)))
    return found


def test_no_module_is_a_dumping_ground() -> None:
    files = [file.relative_to(REPOSITORY) for file in python_files(*PRODUCT, "tools", "tests")]
    assert dumping_grounds(files) == []


def test_a_dumping_ground_would_be_found() -> None:
    paths = ["apps/core/utils.py", "apps/memory/helpers/dates.py", "apps/web/text_utils.py"]
    assert dumping_grounds([Path(path) for path in paths]) == paths
    assert dumping_grounds([Path("tools/lint/rules.py"), Path("apps/core/keys.py")]) == []


def test_a_public_service_name_exists_once_in_the_project() -> None:
    twice = {name: where for name, where in services_by_name().items() if len(where) > 1}
    assert {name: where for name, where in twice.items() if name not in EXEMPT_SERVICES} == {}


def test_every_exempt_service_name_is_used_twice() -> None:
    services = services_by_name()
    assert [name for name in EXEMPT_SERVICES if len(services.get(name, [])) < 2] == []
