"""Addresses of every workspace host."""

from apps.api.urls import workspace_urls as api_urls
from apps.web.urls import workspace_urls

urlpatterns = [
    *workspace_urls,
    *api_urls,
]
