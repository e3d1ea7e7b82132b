"""One embedded server and the way to start it again."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Server:
    """A server that runs beside Karen's own processes.

    Attributes:
        name: What it is called in messages.
        url: Where it is reached, also after a restart.
        process: What runs now.
        start: Starts it again at the same address and waits until it answers.
    """

    name: str
    url: str
    process: subprocess.Popen[bytes]
    start: Callable[[], subprocess.Popen[bytes]]

    @property
    def is_dead(self) -> bool:
        """Say whether the process ended."""
        return self.process.poll() is not None

    def revive(self) -> None:
        """Start it again.

        Raises:
            StackError: It does not start.
        """
        self.process = self.start()
