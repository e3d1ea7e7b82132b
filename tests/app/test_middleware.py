"""Every middleware runs on the event loop: one that cannot would move whole requests to threads."""

import pytest
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string


async def answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize("path", settings.MIDDLEWARE)
def test_a_middleware_is_async_capable(path: str) -> None:
    middleware = import_string(path)
    assert getattr(middleware, "async_capable", False), f"{path} is not async capable"


@pytest.mark.parametrize("path", settings.MIDDLEWARE)
def test_a_middleware_over_an_async_view_is_async_itself(path: str) -> None:
    assert iscoroutinefunction(import_string(path)(answer)), path
