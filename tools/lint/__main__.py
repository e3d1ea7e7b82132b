"""`python -m tools.lint [rules|sql|templates] ...`: the own linters, all of them by default."""

import argparse
import sys
from collections.abc import Callable

from tools.lint.rules import check_files
from tools.lint.source import Finding
from tools.lint.sqlcheck import check_migrations


def _templates() -> list[Finding]:
    from tools.lint.templates import check_templates  # lint: allow function-import: sets Django up

    return check_templates()


LINTERS: dict[str, Callable[[], list[Finding]]] = {
    "rules": check_files,
    "sql": check_migrations,
    "templates": _templates,
}


def main(arguments: list[str] | None = None) -> int:
    """Print every finding; the exit status says whether there was one."""
    parser = argparse.ArgumentParser(prog="python -m tools.lint", description=__doc__)
    parser.add_argument("linters", nargs="*", metavar="LINTER", help=", ".join(LINTERS))
    chosen: list[str] = parser.parse_args(arguments).linters or list(LINTERS)
    if unknown := sorted(set(chosen) - set(LINTERS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(LINTERS)}")
    findings = [finding for name in chosen for finding in LINTERS[name]()]
    for finding in findings:
        print(finding)
    print(f"{', '.join(chosen)}: {len(findings)} finding(s)", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
