"""Children that end with us, however we end."""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def start_child(
    command: Sequence[str], *, death: signal.Signals, **options: Any
) -> "subprocess.Popen[bytes]":
    """Start a program that gets the signal `death` when we are gone; options as for `Popen`.

    `setpriv` (util-linux) asks the kernel for that and becomes the program: Python code between
    fork and exec could deadlock while other threads run. Where it is missing, the next start finds
    and stops what was left. The signal is bound to the thread that starts the child, so start
    children from the main thread.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        command = [setpriv, "--pdeathsig", death.name.removeprefix("SIG"), "--", *command]
    return subprocess.Popen(command, **options)


def end_with_make() -> None:
    """Stop when the `make` that started us is killed; a terminal's shell is not our business."""
    if "MAKELEVEL" in os.environ and hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
