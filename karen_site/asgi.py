"""The ASGI entry: `/v1/` on its own path, other HTTP through Django, WebSockets through host,
origin, session and routes.
"""

import os
import threading
from contextvars import copy_context

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.dev")
os.environ.setdefault("KAREN_ROLE", "web")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps that the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter

from apps.accounts.asgi import SessionAuthASGI
from apps.api.openai.door import OpenAIDoor
from apps.providers import gateway
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

# Beside the first requests: the vendors' SDKs take half a second to import, once per process.
threading.Thread(target=copy_context().run, args=(gateway.warm_remote,), daemon=True).start()
