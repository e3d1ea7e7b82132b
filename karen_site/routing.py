"""WebSocket routes of workspace hosts."""

from django.urls import path

from apps.conversations.consumers import ChatConsumer

websocket_urlpatterns = [path("ws/chat/", ChatConsumer.as_asgi(), name="ws-chat")]
