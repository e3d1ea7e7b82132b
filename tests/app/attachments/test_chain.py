"""The hook chain: progress, deliveries that come twice, workers and scanners that are away."""

import json
import os
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings
from typing_extensions import override

from apps.conversations.attachments import blobs, chain, hooks, process, sweeping
from apps.conversations.attachments.errors import AttachmentBroken
from apps.conversations.attachments.hooks import Changes, Hook, Work
from apps.conversations.attachments.reading.report import Options, Report
from apps.conversations.attachments.reading.scan import EICAR
from apps.conversations.attachments.storage import OutsideTheStore, blob_store
from apps.conversations.domain.attachment_states import AttachmentState
from apps.conversations.models.attachments import Attachment
from apps.conversations.notices import notices_key
from apps.conversations.stream import FIELD
from apps.core import scope
from apps.core.clock import now
from apps.core.redis import RedisRole, redis_client
from apps.jobs.models import Lease, OutboxEntry
from apps.jobs.reaper import reap_leases
from tests import corpus
from tests.app.attachments.conftest import Desk
from tests.fixtures.people import People


def _notices(desk: Desk, person: UUID) -> list[dict[str, Any]]:
    with scope.tenant_scope(desk.tenant):
        entries: Any = redis_client(RedisRole.STREAMS).xrange(notices_key(person))
    return [json.loads(fields[FIELD])["attachment"] for _id, fields in entries]


def _attempt_of(attachment_id: str) -> int:
    return Attachment.objects.get(pk=attachment_id).attempt


def _let_leases_run_out() -> None:
    Lease.objects.update(until=now() - timedelta(seconds=1))


@contextmanager
def _inside(desk: Desk) -> Iterator[None]:
    with scope.tenant_scope(desk.tenant), scope.actor_scope(scope.SYSTEM):
        with scope.correlation_scope():
            yield


def test_the_last_notice_is_what_a_fresh_read_returns(desk: Desk, people: People) -> None:
    for name, body in (("a.png", corpus.picture(kind="PNG")), ("b.pdf", b"%PDF-1.4 rubbish")):
        found = desk.read(name, body)
        assert _notices(desk, people.ann)[-1] == desk.look(found["id"])
    assert [n["state"] for n in _notices(desk, people.ann)][-1] == "refused"


def test_a_task_delivered_twice_runs_once(desk: Desk) -> None:
    uploaded = desk.upload("a.txt", b"words")

    with _inside(desk):
        for _delivery in range(2):
            chain.process(attachment_id=UUID(uploaded["id"]), attempt=0)
        assert _attempt_of(uploaded["id"]) == 1


def test_a_file_that_finds_no_place_comes_back_without_losing_an_attempt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(chain, "_places", places)
    uploaded = desk.upload("a.txt", b"words")

    with places:
        desk.run(uploaded["id"])
    assert desk.look(uploaded["id"])["state"] == "uploaded"
    _let_leases_run_out()
    assert reap_leases() == 1
    desk.run(uploaded["id"])

    assert desk.look(uploaded["id"])["state"] == "ready"
    with _inside(desk):
        assert _attempt_of(uploaded["id"]) == 1


def test_a_file_whose_worker_died_is_taken_up_again(desk: Desk) -> None:
    uploaded = desk.upload("a.txt", b"words")
    with _inside(desk):
        Attachment.objects.update(attempt=1, state=AttachmentState.SCANNING)
        OutboxEntry.objects.all().delete()
    _let_leases_run_out()

    assert reap_leases() == 1

    desk.run(uploaded["id"])
    assert desk.look(uploaded["id"])["state"] == "ready"
    assert not Lease.objects.exists()


def test_a_file_that_kills_every_worker_is_given_up(desk: Desk) -> None:
    uploaded = desk.upload("a.txt", b"words")
    with _inside(desk):
        Attachment.objects.update(attempt=5, state=AttachmentState.EXTRACTING)
    _let_leases_run_out()

    reap_leases()

    found = desk.look(uploaded["id"])
    assert (found["state"], found["problem"]["type"]) == ("refused", "attachment_not_processed")
    assert desk.blobs() == []


def test_a_worker_that_was_taken_for_dead_changes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded = desk.upload("a.txt", b"words")

    @contextmanager
    def overtaken(work: Work) -> Iterator[Changes]:
        Attachment.objects.filter(pk=work.attachment_id).update(attempt=2)
        yield Changes(text="from the dead")

    monkeypatch.setattr(
        hooks, "_hooks", [Hook(name="late", state=AttachmentState.EXTRACTING, run=overtaken)]
    )
    desk.run(uploaded["id"])

    assert desk.text_of(uploaded["id"]) == ""
    assert desk.look(uploaded["id"])["state"] == "extracting"


def test_a_file_deleted_while_it_is_read_leaves_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded = desk.upload("a.png", corpus.picture(kind="PNG"))
    chain_hooks = list(hooks._hooks)

    @contextmanager
    def deleting(work: Work) -> Iterator[Changes]:
        with hooks.extract(work) as changes:
            assert (
                desk.client.delete(f"/api/v1/attachments/{work.attachment_id}").status_code == 204
            )
            yield changes

    monkeypatch.setattr(
        hooks,
        "_hooks",
        [chain_hooks[0], Hook(name="x", state=AttachmentState.EXTRACTING, run=deleting)],
    )
    desk.run(uploaded["id"])

    assert desk.blobs() == []
    assert desk.leftovers() == []


def test_a_hook_of_others_joins_the_chain_and_may_refuse(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_hooks", list(hooks._hooks))

    @contextmanager
    def picky(work: Work) -> Iterator[Changes]:
        with work.open() as file:
            body = file.read()
        if b"forbidden" in body:
            raise AttachmentBroken("picky")
        yield Changes(meta={"picky": True})

    hook = Hook(name="picky", state=AttachmentState.EXTRACTING, run=picky)
    hooks.register_hook(hook)
    with pytest.raises(ValueError, match="exists already"):
        hooks.register_hook(hook)

    assert desk.read("a.txt", b"fine")["meta"]["picky"] is True
    assert desk.read("b.txt", b"forbidden")["problem"]["details"] == {"reason": "picky"}


def test_a_speech_model_turns_recordings_into_text(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_transcribers", [])
    hooks.register_transcriber(lambda work: f"spoken in {work.name}")

    found = desk.read("memo.wav", corpus.sound())

    assert (found["notes"], desk.text_of(found["id"])) == ([], "spoken in memo.wav")


def test_hooks_are_counted_by_kind_and_outcome(desk: Desk) -> None:
    def count(outcome: str) -> float:
        labels = {"hook": "scan", "kind": "text", "outcome": outcome}
        return REGISTRY.get_sample_value("karen_attachment_hooks_total", labels) or 0.0

    before = count("ok"), count("attachment_infected")
    desk.read("a.txt", b"words")
    desk.read("b.txt", EICAR)

    assert (count("ok"), count("attachment_infected")) == (before[0] + 1, before[1] + 1)


# -- the reading process


def test_the_reading_process_knows_no_secrets(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_FOR_TEST", "hunter2")
    environment = process._environment(tmp_path)

    assert "SECRET_FOR_TEST" not in environment
    assert not {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PLATFORM_KEY"} & set(environment)
    assert environment["PATH"] == ""


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
    ],
)
def test_the_reading_process_gets_neither_network_nor_children(attempt: str) -> None:
    import subprocess  # the tested thing needs a process of its own
    import sys

    code = (
        "from apps.conversations.attachments.reading import guard\n"
        "guard.limit(memory_bytes=2**30, cpu_s=10)\nguard.close_doors()\n"
        f"try:\n    {attempt}\nexcept guard.Forbidden:\n    print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout == "refused\n", done.stderr


def test_a_reading_process_without_a_verdict_is_a_mistake_of_ours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_MODULE", "apps.conversations.attachments.no_such_module")
    uploaded = desk.upload("a.txt", b"words")

    with pytest.raises(process.ReadingFailed, match="no_such_module"):
        desk.run(uploaded["id"])

    assert desk.look(uploaded["id"])["state"] == "scanning"  # the lease brings it back
    assert Lease.objects.filter(kind="attachment").exists()


def test_a_report_that_names_files_elsewhere_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "inner" / "link").symlink_to(tmp_path / "secret")
    report = Report(files={"content": ("../secret", "image/png"), "vision": ("link", "image/png")})
    reading = process.Reading(report=report, folder=tmp_path / "inner")

    assert reading.derived("content") is reading.derived("vision") is None
    assert Options(media_type="x", name="y").cpu_s > 0


# -- ClamAV


class _Daemon(socketserver.ThreadingTCPServer):
    """Speaks clamd's INSTREAM: finds what contains `finds`, or answers with `says`."""

    allow_reuse_address = True
    daemon_threads = True
    finds = b"BAD"
    says = b""
    received: list[bytes]


class _Clamd(socketserver.StreamRequestHandler):
    @override
    def handle(self) -> None:
        daemon = self.server
        assert isinstance(daemon, _Daemon)
        assert self.rfile.read(10) == b"zINSTREAM\0"
        body = b""
        while length := struct.unpack("!I", self.rfile.read(4))[0]:
            body += self.rfile.read(length)
        daemon.received.append(body)
        verdict = b"stream: Test.Bad-1 FOUND\0" if daemon.finds in body else b"stream: OK\0"
        self.wfile.write(daemon.says or verdict)


@pytest.fixture
def clamd(settings: Settings) -> Iterator[_Daemon]:
    with _Daemon(("127.0.0.1", 0), _Clamd) as daemon:
        daemon.received = []
        settings.CLAMAV_URL = f"tcp://127.0.0.1:{daemon.server_address[1]}"
        thread = threading.Thread(target=copy_context().run, args=(daemon.serve_forever,))
        thread.start()
        yield daemon
        daemon.shutdown()
        thread.join(timeout=10)


def test_a_scanner_sees_every_byte_and_lets_good_files_through(desk: Desk, clamd: _Daemon) -> None:
    body = os.urandom(1000).hex().encode() * 400

    assert desk.read("a.txt", body)["state"] == "ready"
    assert clamd.received == [body]


def test_what_a_scanner_finds_is_refused_by_its_name(desk: Desk, clamd: _Daemon) -> None:
    found = desk.read("a.txt", b"so BAD")

    assert (found["state"], found["problem"]["type"]) == ("refused", "attachment_infected")
    assert found["problem"]["details"] == {"signature": "Test.Bad-1"}
    assert desk.blobs() == []


@pytest.mark.parametrize("says", [b"INSTREAM size limit exceeded. ERROR\0", b"", b"\0"])
def test_an_answer_without_a_verdict_lets_nothing_through(
    desk: Desk, clamd: _Daemon, says: bytes
) -> None:
    clamd.says = says or b"stream:"

    found = desk.read("a.txt", b"words")

    assert (found["state"], found["problem"]["type"]) == ("scanning", "scanner_unavailable")
    assert desk.content(found["id"]).status_code == 409


def test_while_the_scanner_is_away_files_wait_and_then_pass(
    desk: Desk, clamd: _Daemon, settings: Settings
) -> None:
    here, settings.CLAMAV_URL = settings.CLAMAV_URL, "tcp://127.0.0.1:1"
    waiting = desk.read("a.txt", b"words")
    assert (waiting["state"], waiting["problem"]["retryable"]) == ("scanning", True)

    settings.CLAMAV_URL = here
    _let_leases_run_out()
    assert reap_leases() == 1
    desk.run(waiting["id"])

    found = desk.look(waiting["id"])
    assert (found["state"], found["problem"]) == ("ready", None)


def test_a_scanner_that_stays_away_refuses_in_the_end(desk: Desk, settings: Settings) -> None:
    settings.CLAMAV_URL = "unix:///nowhere/clamd.sock"
    uploaded = desk.upload("a.txt", b"words")

    for _attempt in range(5):
        desk.run(uploaded["id"])

    found = desk.look(uploaded["id"])
    assert (found["state"], found["problem"]["type"]) == ("refused", "scanner_unavailable")


# -- the store and its sweeper


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a/" * 32])
def test_the_store_takes_nothing_but_digests(desk: Desk, digest: str) -> None:
    with scope.tenant_scope(desk.tenant), pytest.raises(OutsideTheStore):
        blob_store().open(digest)


def test_the_store_follows_no_link_out_of_its_tenant(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "aa").mkdir(parents=True)
    (elsewhere / "aa" / ("a" * 64)).write_text("secret")
    root = desk.files / str(desk.tenant.id)
    root.mkdir(parents=True)
    (root / "aa").symlink_to(elsewhere)

    with scope.tenant_scope(desk.tenant), pytest.raises(OutsideTheStore):
        blob_store().open("a" * 64)


def test_the_sweeper_deletes_what_was_never_sent_and_keeps_the_rest(desk: Desk) -> None:
    old, young = desk.upload("old.txt", b"old"), desk.upload("young.txt", b"young")
    with _inside(desk):
        Attachment.objects.filter(pk=old["id"]).update(created_at=now() - timedelta(hours=25))
        sweeping.sweep()

    page = desk.client.get("/api/v1/attachments").json()
    assert [row["id"] for row in page["results"]] == [young["id"]]
    assert len(desk.blobs()) == 1


def test_the_sweeper_deletes_bytes_without_a_row_but_no_young_ones(desk: Desk) -> None:
    kept = desk.upload("kept.txt", b"kept")
    root = desk.files / str(desk.tenant.id)
    paths = {}
    for name in ("a" * 64, "b" * 64):
        paths[name] = root / name[:2] / name[2:4] / name
        paths[name].parent.mkdir(parents=True)
        paths[name].write_text("orphan")
    half = root / "incoming" / "half.part"
    half.write_text("half")
    for path in (paths["a" * 64], half, *root.rglob("?" * 64)):
        if path.name != "b" * 64:
            os.utime(path, (1, 1))

    with _inside(desk):
        sweeping.sweep()

    assert not paths["a" * 64].exists()
    assert paths["b" * 64].exists()
    assert desk.leftovers() == []
    desk.run(kept["id"])
    assert desk.body(kept["id"]) == b"kept"


def test_bytes_are_never_released_while_a_row_has_them(desk: Desk) -> None:
    desk.upload("a.txt", b"words")

    with _inside(desk):
        assert blobs.release(desk.blobs()) == 0
    assert len(desk.blobs()) == 1
