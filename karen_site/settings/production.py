"""Production: HTTPS only, secrets and services from the environment, nothing assumed."""

from karen_site.env import BadEnvironment
from karen_site.settings.base import *  # noqa: F403  # composing settings is what star imports are for
from karen_site.settings.base import CONTENT_SECURITY_POLICY, ENV, SECRET_KEY

for _name in ("secret_key", "platform_key", "database_url"):
    if not getattr(ENV, _name):
        raise BadEnvironment(f"{_name.upper()} must be set in production.")
if len(SECRET_KEY) < 50:
    raise BadEnvironment("SECRET_KEY must have at least 50 characters in production.")

SCHEME = "https"
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-karen_session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-karen_csrf"
CONTENT_SECURITY_POLICY["DIRECTIVES"]["upgrade-insecure-requests"] = True
DEMO = False
