"""Django's entry for `apps.web`."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The pages: landing, sign-up, workspaces, chat. Owns no tables."""

    name = "apps.web"
    label = "web"
