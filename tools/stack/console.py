"""What a person in front of a terminal reads."""

import os
import signal
import sys
from collections.abc import Callable

# `128 + SIGINT`: what a shell expects of a command that was interrupted.
INTERRUPTED = 128 + signal.SIGINT


class StackError(Exception):
    """Something a person must mend; its text is one sentence with the cause and the remedy."""


def say(text: str) -> None:
    """Print one line now, also into a pipe."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Print one line about something that does not stop us."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def _on_sigterm(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run_command(main: Callable[[], int]) -> int:
    """Run a command; mistakes end as one sentence, an interrupt without a traceback."""
    # `kill` must clean up exactly as Ctrl-C does.
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return main()
    except StackError as error:
        print(f"\nkaren: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nkaren: stopped.", file=sys.stderr, flush=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`make run | head`). Python would complain once more
        # when it flushes stdout at exit, so give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
