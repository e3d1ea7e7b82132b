"""The relay's loop: publish what was missed, recover what died."""

import threading
import time

from django.db import DatabaseError, close_old_connections

from apps.core.logging import get_logger
from apps.jobs.leases import LEASE_TTL_S, expire_leases_of_the_dead
from apps.jobs.reaper import reap_leases
from apps.jobs.services import relay_outbox

logger = get_logger(__name__)

_EVERY_S = 1.0


def run(stop: threading.Event) -> None:
    """Work until `stop` is set; a database that is away is waited for.

    After an outage the leases of running work are left alone for their lifetime: the workers that
    hold them could not renew them either and must get the chance to.
    """
    logger.info("relay.started")
    spared_until = 0.0
    while not stop.is_set():
        try:
            relay_outbox()
            expire_leases_of_the_dead()
            # A killed worker leaves hundreds: they are not made to wait for the next round.
            while not stop.is_set() and reap_leases(spare_running=time.monotonic() < spared_until):
                relay_outbox()
        except DatabaseError:
            logger.exception("relay.database_unavailable")
            spared_until = time.monotonic() + LEASE_TTL_S
        close_old_connections()
        stop.wait(_EVERY_S)
    logger.info("relay.stopped")
