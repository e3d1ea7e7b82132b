"""WebSocket routes of workspace hosts."""

from django.urls import path, re_path

from apps.conversations.consumers import ChatConsumer
from apps.tenants.asgi import refuse_unknown_path

websocket_urlpatterns = [path("ws/chat/", ChatConsumer.as_asgi(), name="ws-chat")]

# Channels raises for a path that nobody serves; a stranger's typo is no error of ours.
unknown_path = re_path("", refuse_unknown_path)  # type: ignore[arg-type]  # an ASGI application
