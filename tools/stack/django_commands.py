"""Management commands run from here: each in a process of its own, ended with us."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tools.stack.bootstrap import ROOT, VENV_PYTHON
from tools.stack.console import StackError
from tools.stack.parentage import start_child


def run_manage(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `manage.py` on our own terminal; return its exit status."""
    command = [str(VENV_PYTHON), "manage.py", *arguments]
    process = start_child(command, death=signal.SIGTERM, cwd=ROOT, env=dict(environment))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # Ctrl-C in a shell is for the shell, which got it as well


def prepare(environment: Mapping[str, str]) -> dict[str, Any]:
    """Run `manage.py prepare` (migrations, template, demo); return what its last line reports.

    Raises:
        StackError: It failed; what it printed stands above.
    """
    process = start_child(
        [str(VENV_PYTHON), "manage.py", "prepare"],
        death=signal.SIGKILL,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # at Ctrl-C it must not print a traceback of its own
    )
    assert process.stdout is not None
    last = ""
    try:
        for line in io.TextIOWrapper(process.stdout, "utf-8", "replace"):
            if last:
                sys.stdout.write(last)
                sys.stdout.flush()
            last = line
        status = process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    if status != 0:
        sys.stdout.write(last)
        raise StackError(
            "Preparing the database failed (see above). If it asks for something you cannot mend,"
            " `make clean` starts afresh."
        )
    try:
        report: dict[str, Any] = json.loads(last)
    except ValueError:
        sys.stdout.write(last)
        report = {}
    return report
