"""Settings of the processes under fire: a development installation whose people never wait."""

from karen_site.settings.dev import *  # noqa: F403  # composing settings is what star imports are for

CHAT_MESSAGES_PER_MINUTE = 100_000
