"""What is read from files of each type, and what is refused with which error."""

import io
from collections.abc import Callable

import pytest
from PIL import Image
from pytest_django.fixtures import Settings

from apps.conversations.attachments.reading.scan import EICAR
from tests import corpus
from tests.app.attachments.conftest import Desk


@pytest.mark.parametrize("name", corpus.READABLE)
def test_a_good_file_becomes_ready_with_its_text(desk: Desk, name: str) -> None:
    make, media_type, kind, piece = corpus.READABLE[name]

    found = desk.read(name, make())

    assert found["problem"] is None
    assert (found["state"], found["media_type"], found["kind"]) == ("ready", media_type, kind)
    assert piece in desk.text_of(found["id"])
    assert found["text_characters"] == len(desk.text_of(found["id"]))
    assert desk.leftovers() == []


_ZERO_PAGES = corpus.pdf()
_LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
_DOCUMENT = corpus.word("x")
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "locked.pdf": (lambda: corpus.pdf("secret", password="hunter2"), "attachment_encrypted"),
    "cut.pdf": (lambda: corpus.pdf("x")[:60], "attachment_broken"),
    "rubbish.pdf": (lambda: b"%PDF-1.7\n" + b"rubbish " * 50, "attachment_broken"),
    "pageless.pdf": (lambda: _ZERO_PAGES, "attachment_broken"),
    "blank.txt": (lambda: b" \n\t\n ", "attachment_empty"),
    "eicar.txt": (lambda: EICAR, "attachment_infected"),
    "late.txt": (lambda: b"x" * 300_000 + EICAR + b"tail", "attachment_infected"),
    "virus.zip": (lambda: corpus.archive({"a/b.com": EICAR}), "attachment_infected"),
    "deep-virus.zip": (
        lambda: corpus.archive({"in.zip": corpus.archive({"b": EICAR})}),
        "attachment_infected",
    ),
    "program.zip": (
        lambda: corpus.archive({"setup.txt": corpus.WINDOWS_PROGRAM}),
        "attachment_executable",
    ),
    "bomb.zip": (corpus.bomb, "attachment_unsafe"),
    "nested.zip": (lambda: corpus.nested(5), "attachment_unsafe"),
    "crowd.zip": (
        lambda: corpus.archive({str(n): b"" for n in range(10_001)}),
        "attachment_unsafe",
    ),
    "locked.zip": (corpus.encrypted_archive, "attachment_encrypted"),
    "cut.zip": (lambda: corpus.archive({"a": b"x" * 5000})[:90], "attachment_broken"),
    "bomb.docx": (
        lambda: corpus.archive({"word/document.xml": b"\0" * (100 * 2**20)}),
        "attachment_unsafe",
    ),
    "hollow.docx": (lambda: corpus.archive({"word/document.xml": b"<x/>"}), "attachment_broken"),
    "hollow.xlsx": (lambda: corpus.archive({"xl/workbook.xml": b"<x/>"}), "attachment_broken"),
    "cut.docx": (lambda: _DOCUMENT[: len(_DOCUMENT) - 40], "attachment_broken"),
    "laughing.xlsx": (
        lambda: corpus.archive({"[Content_Types].xml": _LAUGHS, "xl/workbook.xml": _LAUGHS}),
        "attachment_broken",
    ),
    "giant.png": (corpus.giant_picture, "attachment_unsafe"),
    "cut.jpg": (lambda: corpus.picture(400, 400)[:300], "attachment_broken"),
    "rubbish.gif": (lambda: b"GIF89a" + b"\xff" * 50, "attachment_broken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_refused_with_its_reason_and_nothing_is_kept(desk: Desk, name: str) -> None:
    make, code = REFUSED[name]

    found = desk.read(name, make())

    assert found["state"] == "refused"
    assert found["problem"]["type"] == code
    assert found["problem"]["message"]
    assert found["size"] == 0
    assert desk.blobs() == []
    assert desk.leftovers() == []
    assert desk.content(found["id"]).status_code == 404


@pytest.mark.parametrize(
    "name,body,code,status",
    [
        ("empty.txt", b"", "attachment_empty", 400),
        ("setup.exe", corpus.WINDOWS_PROGRAM, "attachment_executable", 415),
        ("holiday.jpg", corpus.LINUX_PROGRAM, "attachment_executable", 415),
        ("old.doc", _OLD_OFFICE, "attachment_type_refused", 415),
        ("noise.bin", bytes(range(256)) * 4, "attachment_type_refused", 415),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0" + b"\0" * 50, "attachment_type_refused", 415),
    ],
)
def test_what_is_plainly_wrong_is_refused_at_the_door(
    desk: Desk, name: str, body: bytes, code: str, status: int
) -> None:
    answer = desk.send(name, body)

    assert (answer.status_code, answer.json()["error"]["type"]) == (status, code)
    assert desk.blobs() == []
    assert desk.leftovers() == []


def test_the_content_wins_over_the_name_and_the_file_says_so(desk: Desk) -> None:
    found = desk.read("report.pdf", b"only words")

    assert (found["state"], found["media_type"]) == ("ready", "text/plain")
    assert [note["code"] for note in found["notes"]] == ["extension_mismatch"]


@pytest.mark.parametrize(
    "name,body,note",
    [
        ("bad.json", b"{not json", "json_invalid"),
        ("bad.xml", b"<?xml version='1.0'?><a><b></a>", "xml_invalid"),
        (
            "laughs.xml",
            b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">]><l>&a;</l>',
            "xml_invalid",
        ),
    ],
)
def test_markup_that_does_not_parse_is_plain_text(
    desk: Desk, name: str, body: bytes, note: str
) -> None:
    found = desk.read(name, body)

    assert (found["state"], found["media_type"]) == ("ready", "text/plain")
    assert note in [n["code"] for n in found["notes"]]


def test_a_pdf_of_pictures_only_says_that_it_has_no_text(desk: Desk) -> None:
    found = desk.read("scan.pdf", corpus.pdf("", ""))

    assert (found["state"], found["meta"]["pages"]) == ("ready", 2)
    assert [note["code"] for note in found["notes"]] == ["no_text"]
    assert found["text_characters"] == 0


def test_a_huge_sheet_is_read_up_to_its_cap(desk: Desk) -> None:
    rows: list[list[object]] = [[n, "x"] for n in range(20_100)]

    found = desk.read("huge.xlsx", corpus.excel({"Data": rows}))

    assert (found["state"], found["meta"]["rows"]) == ("ready", 20_000)
    assert "rows_cut" in [note["code"] for note in found["notes"]]


def test_a_long_text_is_read_up_to_the_limit(desk: Desk, settings: Settings) -> None:
    settings.ATTACHMENT_TEXT_CHARACTERS = 1000

    found = desk.read("long.txt", "é".encode() * 5000)

    assert found["text_characters"] == 1000
    assert [note["code"] for note in found["notes"]] == ["text_cut"]


def test_nul_characters_and_lone_surrogates_reach_no_database(desk: Desk) -> None:
    text = "a\x00b\ud800c".encode("utf-16-le", "surrogatepass")

    found = desk.read("odd.txt", b"\xff\xfe" + text)

    assert found["state"] == "ready"
    assert desk.text_of(found["id"]) == "ab\ufffdc"


def test_a_picture_is_drawn_anew_upright_and_without_camera_data(desk: Desk) -> None:
    original = corpus.picture(40, 20, gps=True, turned=True)
    assert b"SecretCam" in original

    found = desk.read("holiday.jpg", original)

    assert found["state"] == "ready"
    assert (found["meta"]["width"], found["meta"]["height"]) == (20, 40)
    kept = desk.body(found["id"])
    assert found["size"] == len(kept)
    assert b"SecretCam" not in kept
    image = Image.open(io.BytesIO(kept))
    assert image.size == (20, 40)
    assert not image.getexif()
    red, _green, blue = image.convert("RGB").getpixel((10, 2))  # type: ignore[misc]  # three numbers
    assert red > 200 > blue


def test_a_large_picture_gets_a_thumbnail(desk: Desk) -> None:
    found = desk.read("wall.png", corpus.picture(3000, 1500, kind="PNG"))

    assert found["has_thumbnail"]
    thumbnail = Image.open(io.BytesIO(desk.body(found["id"], "thumbnail")))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (512, 256))
    assert Image.open(io.BytesIO(desk.body(found["id"]))).size == (3000, 1500)
    assert len(desk.blobs()) == 3  # the picture, its thumbnail, its copy for models


def test_a_file_without_a_picture_has_no_thumbnail(desk: Desk) -> None:
    found = desk.read("a.txt", b"words")

    assert not found["has_thumbnail"]
    assert desk.content(found["id"], "thumbnail").status_code == 404


def test_a_recording_is_kept_and_says_that_it_was_not_transcribed(desk: Desk) -> None:
    found = desk.read("memo.wav", corpus.sound(0.5))

    assert (found["state"], found["meta"]["seconds"]) == ("ready", 0.5)
    assert [note["code"] for note in found["notes"]] == ["not_transcribed"]
    assert desk.body(found["id"]) == corpus.sound(0.5)


def test_a_reader_that_needs_too_much_memory_is_ended(desk: Desk, settings: Settings) -> None:
    uploaded = desk.upload("wall.png", corpus.picture(6000, 6000, kind="PNG"))
    settings.ATTACHMENT_READ_BYTES = 200 * 2**20

    desk.run(uploaded["id"])

    assert desk.look(uploaded["id"])["problem"]["type"] == "attachment_too_complex"


def test_a_reader_that_takes_too_long_is_ended(desk: Desk, settings: Settings) -> None:
    uploaded = desk.upload("wall.png", corpus.picture(7000, 7000, kind="PNG"))
    settings.ATTACHMENT_READ_S = 1

    desk.run(uploaded["id"])

    assert desk.look(uploaded["id"])["problem"]["type"] == "attachment_too_complex"
    assert desk.leftovers() == []
