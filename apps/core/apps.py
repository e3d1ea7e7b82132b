"""Django's entry for `apps.core`."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The lowest layer; owns no tables."""

    name = "apps.core"
    label = "core"
