"""Development and the one-command start: plain HTTP on localhost, no mail server needed."""

from karen_site.settings.base import *  # noqa: F403  # composing settings is what star imports are for

DEBUG = False  # tracebacks and settings are never shown in a browser; the log has them
PROVIDERS_ECHO = True
