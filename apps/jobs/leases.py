"""Keeping leases of running work alive from one thread per worker process.

The renewal runs beside the work, so a model that thinks for a minute keeps its lease, and a process
that dies loses it within `LEASE_TTL_S`; at once where the relay sees the same processes.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.db import Error, close_old_connections, connection

from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.jobs.services import renew_leases

logger = get_logger(__name__)

LEASE_TTL_S = 8.0
_RENEW_EVERY_S = 2.0


def new_owner() -> str:
    """Return a name for one run of one piece of work: host, its processes, ours, a fresh id."""
    return f"{socket.gethostname()[:36]}:{_process_space()}:{os.getpid()}:{new_id().hex}"


@cache
def _process_space() -> str:
    """Name what process numbers are unique in: a kernel that runs, and a namespace of it."""
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:  # not Linux: nobody there is known to be dead before the lease runs out
        return new_id().hex[:16]
    return sha256(f"{kernel} {namespace}".encode()).hexdigest()[:16]


def expire_leases_of_the_dead() -> int:
    """Let the leases of processes that are gone run out now.

    Only those whose processes this one could see: other machines and containers are judged by
    their silence.

    Returns:
        How many leases ran out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT split_part(owner, ':', 3) FROM public.jobs_lease"
            " WHERE split_part(owner, ':', 2) = %s",
            [_process_space()],
        )
        gone = [pid for (pid,) in cursor.fetchall() if not _is_alive(int(pid))]
        if not gone:
            return 0
        # Under another name, the lease cannot be renewed by somebody taken for dead.
        cursor.execute(
            "UPDATE public.jobs_lease SET owner = 'nobody', until = now()"
            " WHERE split_part(owner, ':', 2) = %s AND split_part(owner, ':', 3) = ANY(%s)",
            [_process_space(), gone],
        )
        logger.warning("leases.owners_gone", processes=gone, leases=cursor.rowcount)
        return int(cursor.rowcount)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        pass
    return True


class Held:
    """One lease being kept alive; `lost` once somebody else took it over."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.lost = False


class LeaseKeeper:
    """Renews the leases of everything that runs in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._wake = threading.Event()
        # lint: allow bare-thread: it renews leases of all tenants and belongs to none
        threading.Thread(target=self._run, name="lease-keeper", daemon=True).start()

    def add(self, owner: str) -> Held:
        """Keep the leases of `owner` alive from now on."""
        held = Held(owner)
        with self._lock:
            self._held[owner] = held
        return held

    def remove(self, owner: str) -> None:
        """Stop renewing."""
        with self._lock:
            self._held.pop(owner, None)

    def _run(self) -> None:
        while True:
            self._wake.wait(_RENEW_EVERY_S)
            with self._lock:
                held = dict(self._held)
            if held:
                self._renew(held)

    @staticmethod
    def _renew(held: dict[str, Held]) -> None:
        try:
            close_old_connections()
            alive = renew_leases(owners=list(held), ttl_s=LEASE_TTL_S)
        except Error:  # the next round tries again; an expired lease is fenced off anyway
            logger.warning("leases.renewal_failed", held=len(held))
            return
        for owner, lease in held.items():
            lease.lost = owner not in alive


@cache
def _keeper() -> LeaseKeeper:
    return LeaseKeeper()


@contextmanager
def kept_alive(owner: str) -> Iterator[Held]:
    """Renew the lease of `owner` while the block runs."""
    keeper = _keeper()
    held = keeper.add(owner)
    try:
        yield held
    finally:
        keeper.remove(owner)
