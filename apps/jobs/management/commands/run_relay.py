"""`manage.py run_relay`: the process that publishes missed tasks and recovers dead work."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from apps.jobs import relay


class Command(BaseCommand):
    """Run until SIGTERM or SIGINT."""

    help = "Publish missed tasks and recover work of dead workers, until stopped."

    @override
    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the loop."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        relay.run(stop)
