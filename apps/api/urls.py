"""Addresses of the API and of monitoring. `karen_site` mounts them."""

from django.urls import URLPattern, URLResolver, include, path

from apps.api import documentation, monitoring, views
from apps.core import health

Routes = list[URLPattern | URLResolver]

health_urls: Routes = [
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
]

_version_1: Routes = [
    path("me", views.MeView.as_view(), name="me"),
    path("", include("apps.accounts.api.urls")),
    path("", include("apps.conversations.api.urls")),
    path("", include("apps.memory.api.urls")),
    path("", include("apps.providers.api.urls")),
    path("", include("apps.providers.api.usage_urls")),
]

platform_urls: Routes = [
    *health_urls,
    path("metrics", monitoring.metrics, name="metrics"),
    path("api/<path:rest>", views.nothing_here, name="api_nothing_here"),
]

workspace_urls: Routes = [
    *health_urls,
    path("api/v1/", include(_version_1)),
    path("api/", include("apps.conversations.api.runtime_urls")),
    path("api/schema/", documentation.schema, name="api_schema"),
    path("api/docs/", documentation.swagger, name="api_docs"),
    path("api/redoc/", documentation.redoc, name="api_redoc"),
    path("api/<path:rest>", views.nothing_here, name="api_nothing_here"),
]
