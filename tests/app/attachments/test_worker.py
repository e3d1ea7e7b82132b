"""Files read by a real worker, whose owner follows the notices."""

import json
import queue
import threading
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from apps.conversations.attachments import sweeping
from apps.conversations.notices import notices_key
from apps.conversations.stream import FIELD
from apps.core import scope
from apps.core.redis import RedisRole, redis_client
from tests import corpus
from tests.app.attachments.conftest import DeskOf
from tests.fixtures.database import World
from tests.fixtures.people import People


def test_a_worker_reads_what_was_uploaded_and_tells_its_owner(
    worker: World, desk_of: DeskOf, people: People
) -> None:
    desk = desk_of(people.ann, worker.acme)
    uploaded = desk.upload("a.png", corpus.picture(kind="PNG"))
    arrived: queue.Queue[str] = queue.Queue()

    def follow() -> None:
        last = b"0"
        while True:
            with scope.tenant_scope(desk.tenant):
                key = notices_key(people.ann)
            read: Any = redis_client(RedisRole.STREAMS).xread({key: last}, block=2000)
            for _key, entries in read or ():
                for entry_id, fields in entries:
                    last = entry_id
                    arrived.put(json.loads(fields[FIELD])["attachment"]["state"])
                    if '"ready"' in fields[FIELD].decode():
                        return

    follower = threading.Thread(target=copy_context().run, args=(follow,), daemon=True)
    follower.start()
    states = [arrived.get(timeout=20)]
    while states[-1] != "ready":
        states.append(arrived.get(timeout=20))
    follower.join(timeout=20)

    assert list(dict.fromkeys(states)) == ["uploaded", "scanning", "extracting", "ready"]
    assert desk.look(uploaded["id"])["has_thumbnail"]


def test_each_workspace_is_swept_by_a_task_of_its_own(
    worker: World, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(sweeping, "sweep", lambda: swept.put(scope.require().slug))

    with scope.tenant_scope(None), scope.actor_scope(scope.SYSTEM):
        sweeping.sweep_all()

    assert {swept.get(timeout=20), swept.get(timeout=20)} == {"acme", "globex"}
