"""Addresses of the platform host. Error pages are Django's handlers over our templates."""

from django.contrib import admin
from django.urls import path

from apps.api.urls import platform_urls as api_urls
from apps.web.urls import platform_urls

urlpatterns = [
    *platform_urls,
    *api_urls,
    path("admin/", admin.site.urls),
]
