"""A Django view that checks a key and says nothing: what an answer over HTTP costs at least.

Served by `daphne tests.bench.baselines.bare_view:application`; no database, one key in memory.
"""

import hmac
from hashlib import sha256

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

KEY = "bench"
_DIGEST = sha256(KEY.encode()).digest()

settings.configure(SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])


@csrf_exempt
async def empty(request: HttpRequest) -> HttpResponse:
    """Answer whoever has the key with an empty document."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(sha256(given.encode()).digest(), _DIGEST):
        return HttpResponse(status=401)
    return JsonResponse({})


async def alive(_request: HttpRequest) -> HttpResponse:
    """Answer, so that the start can be seen."""
    return HttpResponse(b"ok")


urlpatterns = [path("", alive), path("empty", empty)]

application = get_asgi_application()
