"""Tests: real services on private sockets, no network, cheap password hashing.

Each pytest process works in its own database and its own three Redis databases beside those that
the environment names.
"""

import os
import re
from urllib.parse import urlsplit

from karen_site.settings.base import *  # noqa: F403  # composing settings is what star imports are for
from karen_site.settings.base import (
    CACHES,
    CHANNEL_LAYERS,
    DATABASES,
    ENV,
    KAREN_VAR,
    PLATFORM_KEY,
    REDIS_URLS,
    SECRET_KEY,
    STATIC_ROOT,
)

# lint: allow environ: set by xdist, not by an operator
_worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)

TEST_SERVICES = bool(ENV.database_url)
TEST_ADMIN_DATABASE = str(DATABASES["default"]["NAME"])
DATABASES["default"]["NAME"] = f"karen_test_{_worker}"


def _own(url: str, number: int) -> str:
    if url.startswith("unix:"):
        return f"{url.partition('?')[0]}?db={number}"
    return urlsplit(url)._replace(path=f"/{number}").geturl()


for _number, _role in enumerate(sorted(REDIS_URLS)):
    REDIS_URLS[_role] = _own(REDIS_URLS[_role], 3 * _worker + _number)
CACHES["default"]["LOCATION"] = REDIS_URLS["cache"]
CHANNEL_LAYERS["default"]["CONFIG"] = {"hosts": [REDIS_URLS["streams"]], "prefix": "karen"}

FILES_ROOT = KAREN_VAR / f"test-files-{_worker}"
MEMORY_ANALYTICS_ROOT = KAREN_VAR / f"test-memory-analytics-{_worker}"
SECRET_KEY = SECRET_KEY or "test-only-" + "k" * 50
PLATFORM_KEY = PLATFORM_KEY or "dGVzdC1vbmx5LXRlc3Qtb25seS10ZXN0LW9ubHktMzI="
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PROVIDERS_ALLOW_NETWORK = False
MEMORY_RECALL_S = 10.0  # a busy machine is no reason to forget
PROVIDERS_ECHO = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# As in the web role: a request's thread ends with it, and connections change hands between tenants.
DATABASES["default"] |= {"CONN_MAX_AGE": 0}
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 12, "timeout": 30}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # ServeStatic warns without it, and warnings fail
# Tests send quickly; tests/app/conversations/test_limits.py looks at the real limits.
CHAT_MESSAGES_PER_MINUTE = 60
CHAT_TURNS_PER_USER = 200
CHAT_CONTEXT_PAST_S = 5.0  # a busy machine must not change what tests see
# Tests do the gateway's chores themselves: a thread of its own would reach between them.
GATEWAY_UPKEEP = False
LOCAL_THREADS = 1  # threads that wait for each other starve on a busy machine
