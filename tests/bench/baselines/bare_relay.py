"""The least a Django server can do for a chat completion: pass the provider's bytes through.

One async view, no middleware, no authentication, no limits; the provider's address is in
`BENCH_UPSTREAM`. Served by `daphne tests.bench.baselines.bare_relay:application`.
"""

import os
from collections.abc import AsyncIterator

import httpx2
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=[], MIDDLEWARE=[]
)

_client = httpx2.AsyncClient(trust_env=False, timeout=60)


def alive(_request: HttpRequest) -> HttpResponse:
    """Answer, so that the start can be seen."""
    return HttpResponse(b"ok")


async def relay(request: HttpRequest) -> StreamingHttpResponse:
    """Send the body on and stream back whatever comes."""
    upstream = f"{os.environ['BENCH_UPSTREAM']}/chat/completions"
    asked = _client.build_request(
        "POST", upstream, content=request.body, headers={"Content-Type": "application/json"}
    )
    answer = await _client.send(asked, stream=True)

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in answer.aiter_raw():
            yield piece
        await answer.aclose()

    return StreamingHttpResponse(pieces(), content_type="text/event-stream")


urlpatterns = [path("", alive), path("v1/chat/completions", relay)]

application = get_asgi_application()
