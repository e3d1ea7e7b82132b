"""`make lint`: every checker at once; each one's verdict, and the output of those that object."""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from tools.stack.bootstrap import ROOT, VENV
from tools.stack.console import run_command, say

# Only well-formed: the checks on the production settings look at settings, not at servers.
_PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "karen_site.settings.production",
    "SECRET_KEY": "lint-only-" + "".join(chr(33 + i) for i in range(60)),
    "PLATFORM_KEY": "bGludC1vbmx5LWxpbnQtb25seS1saW50LW9ubHktMzI=",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1",
    "BASE_DOMAIN": "karen.example",
}
_TESTING = _PRODUCTION | {"DJANGO_SETTINGS_MODULE": "karen_site.settings.test"}

# The slowest first, so that the others fill the second core meanwhile.
CHECKS: dict[str, tuple[list[str], dict[str, str]]] = {
    "mypy": (["mypy"], _TESTING),
    "ruff check": (["ruff", "check", "."], {}),
    "ruff format": (["ruff", "format", "--check", "."], {}),
    "lint-imports": (["lint-imports"], {}),
    "house rules": (["python", "-m", "tools.lint"], _TESTING),
    "migrations": (["python", "manage.py", "makemigrations", "--check", "--dry-run"], _TESTING),
    "deploy check": (
        ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        _PRODUCTION,
    ),
}


def main() -> int:
    """Run all checks, as many at a time as there are cores; return 1 when one objects."""
    (ROOT / "var" / "cache").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        runs = [pool.submit(copy_context().run, _run_check, name) for name in CHECKS]
        verdicts = [run.result() for run in runs]
    return 0 if all(verdicts) else 1


def _run_check(name: str) -> bool:
    command, extra = CHECKS[name]
    environment = os.environ | {"PATH": f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"} | extra
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        program = str(Path(VENV, "bin", command[0]))
        done = subprocess.run(
            [program, *command[1:]],
            check=False,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        output.seek(0)
        text = output.read()
    verdict = "ok" if done.returncode == 0 else "OBJECTS"
    details = "" if done.returncode == 0 else f"\n{text}"
    say(f"{name:<14} {verdict:<8} {time.monotonic() - started:5.1f} s{details}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(run_command(main))
