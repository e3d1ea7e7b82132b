"""`make lock`: compile `requirements/*.in` into exact versions; `ARGS=--upgrade` for newer."""

import os
import shlex
import subprocess
import sys

from tools.stack.bootstrap import OLDEST_PYTHON, REQUIREMENTS, SETS, VENV, uv_environment
from tools.stack.console import StackError, run_command, say


def main() -> int:
    """Compile every set, the base first: the others stay within it."""
    for name in SETS:
        # Locked for every platform and newer Python, without a trace of this machine or its index.
        command = [str(VENV / "bin" / "uv"), "pip", "compile", "--quiet", "--universal"]
        command += ["--python-version", ".".join(map(str, OLDEST_PYTHON))]
        command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--no-deps"] if name == "models" else []
        command += [*shlex.split(os.environ.get("ARGS", "")), f"{name}.in", "-o", f"{name}.txt"]
        environment = os.environ | uv_environment()
        if subprocess.run(command, check=False, cwd=REQUIREMENTS, env=environment).returncode != 0:
            raise StackError(f"requirements/{name}.in has no solution (see above).")
        say(f"requirements/{name}.txt")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
