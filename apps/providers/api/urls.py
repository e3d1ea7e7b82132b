"""Routes below `/api/v1/`."""

from django.urls import path

from apps.providers.api import embeddings

urlpatterns = [
    path("embeddings", embeddings.EmbeddingsView.as_view(), name="embeddings"),
]
