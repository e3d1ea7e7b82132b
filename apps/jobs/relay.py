"""The relay's loop: publish what was missed, recover what died."""

import threading

from django.db import DatabaseError, close_old_connections

from apps.core.logging import get_logger
from apps.jobs.reaper import reap_leases
from apps.jobs.services import relay_outbox

logger = get_logger(__name__)

_EVERY_S = 1.0


def run(stop: threading.Event) -> None:
    """Work until `stop` is set; a database that is away is waited for."""
    logger.info("relay.started")
    while not stop.is_set():
        try:
            relay_outbox()
            reap_leases()
        except DatabaseError:
            logger.exception("relay.database_unavailable")
        close_old_connections()
        stop.wait(_EVERY_S)
    logger.info("relay.stopped")
