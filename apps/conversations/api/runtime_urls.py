"""The address that the seeds give the chat runtime, outside the versioned API."""

from django.urls import path

from apps.conversations.api import streaming

urlpatterns = [
    path("chat/runtime", streaming.runtime, name="chat-runtime"),
    path("chat/runtime/stream", streaming.runtime_stream, name="chat-runtime-stream"),
]
