"""The ASGI entry: `/v1/`, `/mcp/memory`, HTTP through Django, sockets through their checks."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.dev")
os.environ.setdefault("KAREN_ROLE", "web")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps that the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter

from apps.accounts.asgi import SessionAuthASGI
from apps.api.mcp.door import MemoryDoor
from apps.api.openai.door import OpenAIDoor
from apps.core.drain import DrainASGI
from apps.tenants.asgi import SameOriginASGI, TenantASGI
from karen_site.request_bodies import leave_forms_to_django
from karen_site.routing import unknown_path, websocket_urlpatterns
from karen_site.server import allow_service_restart

leave_forms_to_django()

sockets = URLRouter([*websocket_urlpatterns, unknown_path])

allow_service_restart()
application = DrainASGI(
    ProtocolTypeRouter(
        {
            "http": OpenAIDoor(MemoryDoor(django_application)),
            "websocket": TenantASGI(SameOriginASGI(SessionAuthASGI(sockets))),
        }
    )
)
