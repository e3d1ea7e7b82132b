"""A socket of Channels with nothing around it: it greets and echoes.

Served by `daphne tests.bench.baselines.bare_socket:application`.
"""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from typing_extensions import override

settings.configure(
    SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=["channels"]
)


class Echo(AsyncWebsocketConsumer):  # type: ignore[misc]  # untyped library
    """Says that it is ready and returns what it gets."""

    @override
    async def connect(self) -> None:
        await self.accept()
        await self.send(text_data='{"type":"ready"}')

    @override
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=text_data, bytes_data=bytes_data)


def alive(_request: HttpRequest) -> HttpResponse:
    """Answer, so that the start can be seen."""
    return HttpResponse(b"ok")


urlpatterns = [path("", alive)]

application: Any = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": URLRouter([path("ws/", Echo.as_asgi())])}
)
