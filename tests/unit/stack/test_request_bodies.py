"""Bodies of uploads reach Django unread: Twisted would parse them whole, in memory."""

from types import ModuleType
from typing import Any

import pytest
from twisted.web import http
from twisted.web.test.requesthelper import DummyChannel
from typing_extensions import override

from karen_site.request_bodies import leave_forms_to_django

_BODY = b'--b\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n--b--\r\n'


class _Request(http.Request):
    processed = False

    @override
    def process(self) -> None:
        self.processed = True


def _received() -> Any:
    channel: Any = DummyChannel  # Twisted's own double, untyped
    request: Any = _Request(channel(), False)
    request.requestHeaders.setRawHeaders(b"content-type", [b"multipart/form-data; boundary=b"])
    request.requestHeaders.setRawHeaders(b"content-length", [str(len(_BODY)).encode()])
    request.gotLength(len(_BODY))
    request.handleContentChunk(_BODY)
    request.requestReceived(b"POST", b"/", b"HTTP/1.1")
    return request


def test_a_form_is_handed_on_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    parser: Any = http
    monkeypatch.setattr(parser, "_getMultiPartArgs", parser._getMultiPartArgs)  # put back later
    leave_forms_to_django()

    request = _received()

    assert request.processed
    assert request.args == {}
    assert request.content.read() == _BODY


def test_a_twisted_that_parses_elsewhere_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="parses multipart bodies elsewhere"):
        leave_forms_to_django(ModuleType("another http"))
