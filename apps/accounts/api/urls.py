"""Addresses of API keys below `/api/v1/`."""

from django.urls import path

from apps.accounts.api import views

urlpatterns = [
    path("keys", views.ApiKeysView.as_view(), name="keys"),
    path("keys/<uuid:key_id>", views.ApiKeyDetailView.as_view(), name="key"),
]
