"""The ASGI entry: `/v1/`, other HTTP through Django, sockets through host, origin, credential."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.dev")
os.environ.setdefault("KAREN_ROLE", "web")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps that the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter

from apps.accounts.asgi import SessionAuthASGI
from apps.api.openai.door import OpenAIDoor
from apps.tenants.asgi import SameOriginASGI, TenantASGI
from karen_site.routing import unknown_path, websocket_urlpatterns

sockets = URLRouter([*websocket_urlpatterns, unknown_path])

application = ProtocolTypeRouter(
    {
        "http": OpenAIDoor(django_application),
        "websocket": TenantASGI(
            SameOriginASGI(SessionAuthASGI(URLRouter([*websocket_urlpatterns, unknown_path])))
        ),
    }
)
