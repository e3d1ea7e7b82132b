"""What is read from files of each type, and what is refused with which error."""

import io
from collections.abc import Callable

import pytest
from PIL import Image
from pytest_django.fixtures import Settings

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
