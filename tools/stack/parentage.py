"""Children that end with us, however we end."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(death: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send `death` to the child when we are gone.

    Only Linux knows this; elsewhere the next start finds and stops what was left. The signal is
    bound to the thread that starts the child, so start children from the main thread.
    """
    parent = os.getpid()

    def bind() -> None:
        if hasattr(_LIBC, "prctl"):
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death))
            if os.getppid() != parent:  # we were gone before the kernel knew
                os._exit(1)

    return bind


def start_child(
    command: Sequence[str], *, death: signal.Signals, **options: Any
) -> "subprocess.Popen[bytes]":
    """Start a program that gets the signal `death` when we are gone; options as for `Popen`."""
    # Unsafe only while other threads run: we start children before any thread, or without one.
    bind = die_with_parent(death)
    return subprocess.Popen(command, preexec_fn=bind, **options)  # noqa: PLW1509


def end_with_make() -> None:
    """Stop when the `make` that started us is killed; a terminal's shell is not our business."""
    if "MAKELEVEL" in os.environ and hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
