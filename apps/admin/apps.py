"""Django's entries for the operators' console and for the admin it configures."""

from django.apps import AppConfig
from django.contrib.admin import apps as django_admin


class ConsoleConfig(AppConfig):
    """The operators' console. Its label differs because Django's own admin is called `admin`."""

    name = "apps.admin"
    label = "console"
    default = True


class SiteConfig(django_admin.AdminConfig):
    """Django's admin with our site as the default one; replaces `django.contrib.admin`."""

    default = False
    default_site = "apps.admin.site.ConsoleSite"
