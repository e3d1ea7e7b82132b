"""Errors leave every edge in one shape, whatever raised them."""

import inspect
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core import exceptions as django_exceptions
from django.http import Http404
from django.test import Client, RequestFactory, override_settings
from rest_framework import exceptions as drf
from rest_framework.request import Request

from apps.api.exceptions import render_error, translate
from apps.api.openai.failures import error_document, status_of
from apps.conversations.consumers import ChatConsumer
from apps.core import errors, scope
from apps.core.errors import KarenError, registered_errors
from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]

# What the constructors of error classes ask for, by parameter name.
_ARGUMENTS: dict[str, object] = {
    "limit": 10,
    "length": 11,
    "whose": "person",
    "body": {"type": "provider_rejected", "message": "It refused."},
    "limit_bytes": 10,
    "retry_after_s": 2.0,
    "problem": "reserved",
    "model": "no/such",
    "param": "n",
    "text": "It must be 1.",
    "count": 11,
    "used_bytes": 9,
    "media_type": "application/x-odd",
    "reason": "ratio",
    "signature": "Eicar",
    "place": "line 1",
    "key": "ttft",
    "secret": "password",
    "level": "member",
    "unit": "tokens",
    "period": "month",
    "resets_on": "2026-12-01",
    "reasons": ["it lacks: tools"],
    "prompt": "conversation.title",
    "part": "message 1",
    "variable": "question",
    "memory_ids": [UUID(int=7)],
}


def _example(cls: type[KarenError]) -> KarenError:
    wanted = list(inspect.signature(cls.__init__).parameters.values())[1:]
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    given = {
        parameter.name: _ARGUMENTS[parameter.name]
        for parameter in wanted
        if parameter.default is parameter.empty and parameter.kind not in variadic
    }
    return cls(**given)


def _over_rest(error: Exception) -> tuple[int, dict[str, Any], Any]:
    request = Request(RequestFactory().get("/api/v1/anything"))
    answer = render_error(error, {"request": request})
    return answer.status_code, json.loads(json.dumps(answer.data))["error"], answer.headers


async def _over_websocket(error: KarenError) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []

    async def keep(event: dict[str, Any]) -> None:
        sent.append(event)

    consumer = ChatConsumer()
    consumer.base_send = keep
    await consumer._send_error(error, ref="r1")
    frame = json.loads(sent[0]["text"])
    assert frame["type"] == "error"
    assert frame["ref"] == "r1"
    body: dict[str, Any] = frame["error"]
    return body


@pytest.mark.parametrize("code", sorted(registered_errors()))
async def test_every_code_reads_the_same_over_rest_and_websocket(code: str) -> None:
    cls = registered_errors()[code]
    with scope.correlation_scope("correlation-1"):
        error = _example(cls)
        status, rest, _ = _over_rest(error)
        frame = await _over_websocket(error)

    assert rest == frame
    assert status == cls.status
    assert rest["type"] == code
    assert rest["message"]
    assert rest["retryable"] is cls.retryable
    assert rest["correlation_id"] == "correlation-1"
    assert set(rest.get("details", {})) <= set(cls.public_fields)


@pytest.mark.parametrize("code", sorted(registered_errors()))
def test_every_code_has_openais_shape_too(code: str) -> None:
    error = _example(registered_errors()[code])
    document = error_document(error)

    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "type", "param", "code"}
    assert document["error"]["message"] == error.message()
    assert document["error"]["code"]
    assert (status_of(error) >= 500) is (document["error"]["type"] == "server_error")


@pytest.mark.parametrize(
    "raised,code,status",
    [
        (drf.ParseError("raw text"), "invalid_input", 400),
        (drf.NotAuthenticated(), "not_authenticated", 401),
        (drf.AuthenticationFailed("raw text"), "not_authenticated", 401),
        (drf.PermissionDenied("raw text"), "permission_denied", 403),
        (drf.NotFound("raw text"), "not_found", 404),
        (drf.MethodNotAllowed("PUT"), "method_not_allowed", 405),
        (drf.NotAcceptable(), "not_acceptable", 406),
        (drf.UnsupportedMediaType("text/plain"), "unsupported_media_type", 415),
        (drf.Throttled(wait=3), "rate_limited", 429),
        (django_exceptions.PermissionDenied("raw text"), "permission_denied", 403),
        (Http404("raw text"), "not_found", 404),
        (django_exceptions.RequestDataTooBig("raw text"), "payload_too_large", 413),
        (django_exceptions.SuspiciousOperation("raw text"), "invalid_input", 400),
        (django_exceptions.BadRequest("raw text"), "invalid_input", 400),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_framework_exceptions_become_our_codes(raised: Exception, code: str, status: int) -> None:
    answered, body, headers = _over_rest(raised)

    assert (answered, body["type"]) == (status, code)
    assert "raw text" not in json.dumps(body)
    assert ("WWW-Authenticate" in headers) is (status == 401)


def test_a_limit_says_when_to_come_back() -> None:
    _, body, headers = _over_rest(drf.Throttled(wait=3))

    assert body["details"] == {"retry_after_s": 3.0}
    assert headers["Retry-After"] == "3"


def test_validation_names_each_field_by_its_path() -> None:
    detail: dict[str, Any] = {
        "title": ["Too long."],
        "parts": [{}, {"text": ["Empty."]}],
        "non_field_errors": ["No."],
    }

    _, body, _ = _over_rest(drf.ValidationError(detail))

    assert body["details"]["fields"] == {
        "title": ["Too long."],
        "parts.1.text": ["Empty."],
        "": ["No."],
    }


def test_model_validation_names_its_fields_too() -> None:
    fields = translate(django_exceptions.ValidationError({"slug": ["Taken."]}))
    whole = translate(django_exceptions.ValidationError("No."))

    assert isinstance(fields, errors.InvalidInput)
    assert isinstance(whole, errors.InvalidInput)
    assert fields.fields == {"slug": ["Taken."]}
    assert whole.fields == {"": ["No."]}


def test_an_unforeseen_exception_is_logged_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, body, _ = _over_rest(RuntimeError("password=hunter2 at 10.0.0.7"))

    assert status == 500
    assert body["type"] == "internal_error"
    assert "hunter2" not in json.dumps(body)
    assert "request.failed" in caplog.text


@pytest.mark.parametrize("host", ["localhost", "acme.localhost"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_addresses_that_lead_nowhere_answer_in_json(
    committed: World, host: str, method: str
) -> None:
    client = Client(HTTP_HOST=host, enforce_csrf_checks=True)

    answer = getattr(client, method)("/api/v1/no/such/thing")

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found"
    assert answer.json()["error"]["correlation_id"] == answer.headers["X-Correlation-ID"]


def test_a_wrong_method_answers_in_json(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    answer = browser_of(people.ann, committed.acme).put("/api/v1/conversations")

    assert answer.status_code == 405
    assert answer.json()["error"]["type"] == "method_not_allowed"


@pytest.mark.parametrize(
    "body,content_type,status",
    [
        ("{", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("a=1", "application/x-www-form-urlencoded", 415),
        ('{"title": "' + "x" * 3000 + '"}', "application/json", 413),
    ],
    ids=["broken", "nested", "form", "large"],
)
def test_bodies_that_are_no_good_are_refused(
    committed: World,
    people: People,
    browser_of: BrowserOf,
    body: str,
    content_type: str,
    status: int,
) -> None:
    client = browser_of(people.ann, committed.acme)
    limit = 2000 if status == 413 else 2 * 1024 * 1024

    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=limit):
        answer = client.post("/api/v1/conversations", data=body, content_type=content_type)

    assert answer.status_code == status
    assert set(answer.json()["error"]) >= {"type", "message", "retryable", "correlation_id"}


def test_a_writing_request_needs_the_csrf_token(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.ann, committed.acme)
    client.handler.enforce_csrf_checks = True

    answer = client.post("/api/v1/conversations", data="{}", content_type="application/json")

    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "permission_denied"
