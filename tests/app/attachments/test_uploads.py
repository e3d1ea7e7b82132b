"""Uploading, looking, downloading, deleting, through the REST edge."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from pytest_django.fixtures import Settings

from apps.conversations.models.attachments import Attachment
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from tests import corpus
from tests.app.attachments.conftest import Desk, DeskOf
from tests.fixtures.database import World
from tests.fixtures.people import People


def test_an_upload_needs_no_conversation_and_is_kept_under_its_hash(desk: Desk) -> None:
    answer = desk.send("notes.txt", b"hello")

    assert answer.status_code == 201
    found = answer.json()
    assert (found["state"], found["conversation_id"], found["message_id"]) == (
        "uploaded", None, None,
    )  # fmt: skip
    digest = hashlib.sha256(b"hello").hexdigest()
    path = desk.files / str(desk.tenant.id) / digest[:2] / digest[2:4] / digest
    assert path.read_bytes() == b"hello"
    assert path.stat().st_mode & 0o077 == 0
    assert desk.leftovers() == []


def test_the_clients_claim_about_the_type_counts_for_nothing(desk: Desk) -> None:
    assert desk.upload("x.bin", corpus.picture())["media_type"] == "image/jpeg"


@pytest.mark.parametrize("what", ["content", "thumbnail"])
def test_nothing_is_served_before_the_checks_are_done(desk: Desk, what: str) -> None:
    uploaded = desk.upload("a.png", corpus.picture(kind="PNG"))

    answer = desk.content(uploaded["id"], what)

    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "attachment_not_ready")


def test_a_download_can_do_nothing_in_a_browser(desk: Desk) -> None:
    found = desk.read('Grüße "x".html', corpus.READABLE["page.html"][0]())

    answer = desk.content(found["id"], QUERY_STRING="inline=1")

    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''Gr%C3%BC")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_only_redrawn_pictures_are_shown_inline(desk: Desk) -> None:
    found = desk.read("a.png", corpus.picture(kind="PNG"))

    plain = desk.content(found["id"])
    inline = desk.content(found["id"], QUERY_STRING="inline=1")
    thumbnail = desk.content(found["id"], "thumbnail")

    assert plain.headers["Content-Disposition"] == 'attachment; filename="a.png"'
    assert inline.headers["Content-Disposition"] == 'inline; filename="a.png"'
    assert (inline.headers["Content-Type"], thumbnail.headers["Content-Type"]) == (
        "image/png", "image/webp",
    )  # fmt: skip


def test_a_known_version_is_not_sent_again(desk: Desk) -> None:
    found = desk.read("a.txt", b"words")
    tag = desk.content(found["id"]).headers["ETag"]

    answer = desk.content(found["id"], HTTP_IF_NONE_MATCH=tag)

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "wanted,status,body",
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=-99", 200, b"0123456789"),
        ("bytes=12-", 200, b"0123456789"),
        ("bytes=5-2", 200, b"0123456789"),
        ("bytes=-0", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_a_player_may_ask_for_a_part(desk: Desk, wanted: str, status: int, body: bytes) -> None:
    found = desk.read("a.txt", b"0123456789")

    answer: Any = desk.client.get(f"/api/v1/attachments/{found['id']}/content", HTTP_RANGE=wanted)

    assert (answer.status_code, b"".join(answer.streaming_content)) == (status, body)
    assert answer.headers["Content-Length"] == str(len(body))
    answer.close()


async def test_a_download_streams_under_the_real_server(desk: Desk, settings: Settings) -> None:
    from karen_site.asgi import application  # sets the web role; only where it is needed

    body = b"0123456789abcde\n" * 60_000
    found = await platform_db(desk.read, "big.txt", body)

    name = settings.SESSION_COOKIE_NAME
    headers = [
        (b"host", f"{desk.tenant.slug}.localhost".encode()),
        (b"cookie", f"{name}={desk.client.cookies[name].value}".encode()),
    ]
    path = f"/api/v1/attachments/{found['id']}/content"
    server = HttpCommunicator(application, "GET", path, headers=headers)
    await server.send_input({"type": "http.request", "body": b""})
    start = await server.receive_output(timeout=20)
    pieces = [await server.receive_output(timeout=20)]
    while pieces[-1].get("more_body"):
        pieces.append(await server.receive_output(timeout=20))
    await server.wait()

    assert start["status"] == 200
    assert b"".join(piece.get("body", b"") for piece in pieces) == body
    assert len(pieces) > 2  # in pieces, not whole


def test_the_same_upload_again_is_the_same_attachment(desk: Desk) -> None:
    first = desk.send("a.txt", b"words", client_key="k1")
    again = desk.send("a.txt", b"words", client_key="k1")
    other = desk.send("a.txt", b"other words", client_key="k1")

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["error"]["type"]) == (409, "attachment_key_reused")
    assert desk.leftovers() == []


def _at_once(desk: Desk, bodies: list[bytes], **fields: str) -> list[int]:
    def send(body: bytes) -> int:
        try:
            return int(desk.send("a.txt", body, **fields).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(copy_context().run, send, body) for body in bodies]
        return sorted(answer.result() for answer in waiting)


def test_uploads_with_one_key_at_once_make_one_attachment(desk: Desk) -> None:
    assert _at_once(desk, [b"words"] * 8, client_key="k") == [200] * 7 + [201]
    with scope.tenant_scope(desk.tenant):
        assert Attachment.objects.count() == 1


def test_equal_files_at_once_are_two_attachments_and_one_blob(desk: Desk) -> None:
    assert _at_once(desk, [b"words"] * 6) == [201] * 6
    assert desk.blobs() == [hashlib.sha256(b"words").hexdigest()]
    assert desk.leftovers() == []


def test_uploads_at_once_do_not_pass_the_quota_together(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENT_QUOTA_BYTES = 25

    assert _at_once(desk, [b"0123456789" for _ in range(6)]) == [201] * 2 + [413] * 4


def test_the_bytes_go_with_the_last_attachment_that_has_them(desk: Desk) -> None:
    first, second = desk.upload("a.txt", b"words")["id"], desk.upload("b.txt", b"words")["id"]
    desk.run(second)

    assert desk.client.delete(f"/api/v1/attachments/{first}").status_code == 204
    assert desk.body(second) == b"words"
    assert desk.client.delete(f"/api/v1/attachments/{second}").status_code == 204
    assert desk.blobs() == []
    assert desk.content(second).status_code == 404


def test_a_file_that_is_too_large_is_refused_while_it_arrives(
    desk: Desk, settings: Settings
) -> None:
    settings.ATTACHMENT_MAX_BYTES = 1000

    by_count = desk.send("a.txt", b"x" * 1001)
    by_announcement = desk.send("a.txt", b"x" * 200_000)

    for answer in (by_count, by_announcement):
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (413, "attachment_too_large")
        assert error["details"]["limit_bytes"] == 1000
    assert desk.blobs() == []
    assert desk.leftovers() == []


def test_a_browser_needs_its_token_and_learns_the_limit_all_the_same(
    desk: Desk, settings: Settings
) -> None:
    settings.ATTACHMENT_MAX_BYTES = 1000
    browser = Client(HTTP_HOST=f"{desk.tenant.slug}.localhost", enforce_csrf_checks=True)
    browser.cookies = desk.client.cookies
    token = "a" * 32
    browser.cookies[settings.CSRF_COOKIE_NAME] = token

    def send(body: bytes, **headers: str) -> Any:
        file = SimpleUploadedFile("a.txt", body)
        return browser.post("/api/v1/attachments", {"file": file}, **headers)  # type: ignore[arg-type]  # headers as given

    assert send(b"words").status_code == 403
    assert send(b"words", HTTP_X_CSRFTOKEN=token).status_code == 201
    assert send(b"x" * 1001, HTTP_X_CSRFTOKEN=token).status_code == 413
    assert send(b"x" * 99_000, HTTP_X_CSRFTOKEN=token).status_code == 413
    assert desk.leftovers() == []


def test_a_visitor_is_sent_away_before_anything_is_stored(desk: Desk) -> None:
    stranger = Client(HTTP_HOST=f"{desk.tenant.slug}.localhost")

    answer = stranger.post("/api/v1/attachments", {"file": SimpleUploadedFile("a.txt", b"words")})

    assert answer.status_code == 401
    assert desk.blobs() == []
    assert desk.leftovers() == []


def test_a_kind_may_have_a_smaller_limit(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENT_KIND_BYTES = {"image": 100}

    error = desk.send("a.jpg", corpus.picture()).json()["error"]

    assert error["details"] == {"limit_bytes": 100, "kind": "image"}
    assert desk.send("a.txt", b"x" * 1000).status_code == 201


def test_a_kind_may_be_switched_off(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENT_KINDS = frozenset({"text"})

    answer = desk.send("a.jpg", corpus.picture())

    assert answer.status_code == 415
    assert answer.json()["error"]["details"] == {"media_type": "image/jpeg", "kinds": ["text"]}


def test_whoever_uploads_too_often_has_to_wait(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENTS_PER_MINUTE = 2

    answers = [desk.send("a.txt", b"words") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[-1].headers["Retry-After"]
    assert desk.leftovers() == []


@pytest.mark.parametrize(
    "offered,kept",
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\tax.txt", "tax.txt"),
        ("naïve – 文書.txt", "naïve – 文書.txt"),
        ("photo\u202egpj.exe.txt", "photogpj.exe.txt"),
        ("con.txt", "_con.txt"),
        ("a" * 300 + ".txt", "a" * 196 + ".txt"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_harmless(desk: Desk, offered: str, kept: str) -> None:
    answer = desk.client.post(
        "/api/v1/attachments",
        data=(
            '--b\r\nContent-Disposition: form-data; name="file"; filename="'
            + offered.replace("\\", "\\\\")
            + '"\r\n\r\nwords\r\n--b--\r\n'
        ).encode(),
        content_type="multipart/form-data; boundary=b",
    )

    assert answer.status_code == 201, answer.content
    assert answer.json()["name"] == kept


def test_a_request_without_exactly_one_file_says_so(desk: Desk) -> None:
    def file(name: str) -> SimpleUploadedFile:
        return SimpleUploadedFile(name, b"words")

    url = "/api/v1/attachments"
    none = desk.client.post(url, {"client_key": "k"})
    elsewhere = desk.client.post(url, {"document": file("a.txt")})
    two = desk.client.post(url, {"file": [file("a.txt"), file("b.txt")]})
    not_a_form = desk.client.post(url, {"file": "x"}, content_type="application/json")
    broken = desk.client.post(url, b"x", content_type="multipart/form-data")

    for answer in (none, elsewhere, two):
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "attachment_missing")
    assert not_a_form.status_code == 415
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_input")
    assert desk.blobs() == []
    assert desk.leftovers() == []


def test_a_file_whose_connection_breaks_leaves_nothing_behind(desk: Desk) -> None:
    cut = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhalf of'

    desk.client.post(
        "/api/v1/attachments", data=cut, content_type="multipart/form-data; boundary=b"
    )

    assert desk.leftovers() == []


def test_lists_show_ones_own_newest_first_and_what_was_never_sent(
    desk: Desk, desk_of: DeskOf, people: People
) -> None:
    ids = [desk.upload(f"{n}.txt", f"file {n}".encode())["id"] for n in range(3)]
    bea = desk_of(people.bea, desk.tenant)
    bea.upload("hers.txt", b"hers")

    def listed(query: str = "") -> list[str]:
        page = desk.client.get(f"/api/v1/attachments?{query}").json()
        return [row["id"] for row in page["results"]]

    assert listed() == listed("unsent=1") == ids[::-1]
    assert listed(f"conversation_id={new_id()}") == []
    assert desk.client.get("/api/v1/attachments?conversation_id=x").status_code == 400


def test_a_colleague_gets_nothing_of_a_file(desk: Desk, desk_of: DeskOf, people: People) -> None:
    found = desk.read("a.png", corpus.picture(kind="PNG"))
    bea = desk_of(people.bea, desk.tenant)

    for what in ("", "/content", "/thumbnail"):
        answer = bea.client.get(f"/api/v1/attachments/{found['id']}{what}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "attachment_not_found")
    assert bea.client.delete(f"/api/v1/attachments/{found['id']}").status_code == 404


def test_one_file_in_two_workspaces_is_stored_twice_and_never_crosses(
    desk_of: DeskOf, committed: World, people: People
) -> None:
    acme, globex = (desk_of(people.bea, ref) for ref in (committed.acme, committed.globex))
    in_acme, in_globex = acme.read("a.txt", b"same"), globex.read("a.txt", b"same")

    assert acme.blobs() == globex.blobs() == [hashlib.sha256(b"same").hexdigest()]
    assert globex.content(in_acme["id"]).status_code == 404
    assert acme.client.delete(f"/api/v1/attachments/{in_acme['id']}").status_code == 204
    assert acme.blobs() == []
    assert globex.body(in_globex["id"]) == b"same"


def test_equal_ids_in_two_workspaces_lead_to_their_own_files(
    desk_of: DeskOf,
    committed: World,
    people: People,
    browser_of: Callable[[UUID, TenantRef | None], Client],
) -> None:
    acme, globex = (desk_of(people.bea, ref) for ref in (committed.acme, committed.globex))
    first, second = acme.read("a.txt", b"of acme"), globex.read("a.txt", b"of globex")
    with scope.tenant_scope(globex.tenant):
        Attachment.objects.filter(pk=second["id"]).update(id=first["id"])

    assert acme.body(first["id"]) == b"of acme"
    assert globex.body(first["id"]) == b"of globex"
