"""Addresses of the gateway below `/api/v1/`."""

from django.urls import path

from apps.providers.api import embeddings, guardrails

urlpatterns = [
    path("embeddings", embeddings.EmbeddingsView.as_view(), name="embeddings"),
    path("guardrails", guardrails.GuardrailsView.as_view(), name="guardrails"),
    path(
        "guardrails/decisions",
        guardrails.GuardrailDecisionsView.as_view(),
        name="guardrail_decisions",
    ),
    path("guardrails/check", guardrails.GuardrailCheckView.as_view(), name="guardrail_check"),
]
