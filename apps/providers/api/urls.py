"""Addresses of the gateway's settings below `/api/v1/`."""

from django.urls import path

from apps.providers.api import views

_ONE = "providers/<uuid:provider_id>"

urlpatterns = [
    path("providers", views.ProvidersView.as_view(), name="providers"),
    path(_ONE, views.ProviderDetailView.as_view(), name="provider"),
    path(f"{_ONE}/key", views.ProviderKeyView.as_view(), name="provider_key"),
    path(f"{_ONE}/test", views.ProviderTestView.as_view(), name="provider_test"),
    path(f"{_ONE}/discover", views.ProviderDiscoverView.as_view(), name="provider_discover"),
    path(f"{_ONE}/models", views.ProviderModelsView.as_view(), name="provider_models"),
    path(
        f"{_ONE}/models/<uuid:model_id>",
        views.ProviderModelView.as_view(),
        name="provider_model",
    ),
    path("gateway/settings", views.GatewaySettingsView.as_view(), name="gateway_settings"),
    path("routing-policies", views.RoutingPoliciesView.as_view(), name="routing_policies"),
    path(
        "routing-policies/<uuid:policy_id>",
        views.RoutingPolicyView.as_view(),
        name="routing_policy",
    ),
]
