"""Addresses of every workspace host."""

from apps.web.urls import workspace_urls

urlpatterns = [
    *workspace_urls,
]
