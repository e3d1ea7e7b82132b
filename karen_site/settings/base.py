"""What all environments share. Values an operator may change come from `karen_site.env` only."""

from typing import Any

from apps.admin.theme import UNFOLD  # noqa: F401  # read by the theme
from apps.core.logging import configure_structlog, logging_config
from karen_site.env import BASE_DIR, database_settings, email_settings, read_environment

ENV = read_environment()

SECRET_KEY = ENV.secret_key
PLATFORM_KEY = ENV.platform_key
DEBUG = False

# -- hosts: the resolver knows every host and answers 404 to the others (apps.tenants.resolver)
ALLOWED_HOSTS = ["*"]
BASE_DOMAIN = ENV.base_domain
PLATFORM_HOSTS = (
    [ENV.base_domain, "127.0.0.1"] if ENV.base_domain == "localhost" else [ENV.base_domain]
)
SCHEME = ENV.scheme
LINK_PORT = ENV.link_port()
KAREN_VAR = ENV.karen_var

# -- applications: the platform's own books in `public`, the customer's content per tenant
SHARED_APPS = [
    "daphne",
    "unfold.apps.BasicAppConfig",  # before django-tenants, whose admin templates it must win over
    "django_tenants",
    "apps.core",
    "apps.audit",
    "apps.jobs",
    "apps.tenants",
    "apps.accounts",
    "apps.providers",
    "apps.plugins",
    "apps.web",
    "apps.api",
    "apps.admin",
    "apps.admin.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_prometheus",
]
TENANT_APPS = ["apps.memory", "apps.conversations"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True

# -- database
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "apps.tenants.postgresql",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        **database_settings(ENV.database_url or "postgresql://postgres@localhost/karen"),
    }
}
DATABASES["default"]["OPTIONS"] |= {
    # One round trip each would cost more than they protect; they travel with the connection.
    "options": "-c statement_timeout=30000 -c lock_timeout=10000"
    " -c idle_in_transaction_session_timeout=60000",
}
if ENV.karen_role in {"web", "worker"}:
    # Every PostgreSQL backend caches what it saw of each tenant's schema: lifetimes stay short.
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 2,
        "max_size": ENV.db_pool_size,
        "max_lifetime": 20 * 60,
        "timeout": 10,
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 10 * 60, "CONN_HEALTH_CHECKS": True}
DATABASE_ROUTERS = [
    "apps.tenants.router.TenantContentGuard",
    "django_tenants.routers.TenantSyncRouter",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DB_THREADS = ENV.db_threads

# -- Redis by role
REDIS_URLS = {
    "broker": ENV.redis_for("broker", 0),
    "streams": ENV.redis_for("streams", 1),
    "cache": ENV.redis_for("cache", 2),
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URLS["cache"],
        "KEY_FUNCTION": "apps.core.keys.cache_key",
    }
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URLS["streams"]], "prefix": "karen"},
    }
}

# -- HTTP
ASGI_APPLICATION = "karen_site.asgi.application"
ROOT_URLCONF = "karen_site.urls_public"
TENANT_URLCONF = "karen_site.urls_tenant"
MIDDLEWARE = [
    "apps.core.middleware.CorrelationIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "apps.tenants.middleware.TenantMiddleware",
    "apps.accounts.middleware.TenantSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.middleware.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
APPEND_SLASH = True
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False  # the chat page's module reads it for its requests
CSRF_FAILURE_VIEW = "apps.web.views.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
CONTENT_SECURITY_POLICY: dict[str, dict[str, Any]] = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.web.context_processors.workspace",
            ]
        },
    }
]

# -- static files
STATIC_URL = "/static/"
STATIC_ROOT = KAREN_VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "apps.web.staticfiles.ModuleStaticFilesStorage"},
}

# -- people
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.backends.MembershipBackend"]
PASSWORD_HASHERS = [
    "apps.accounts.hashers.ServerArgon2Hasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_ENGINE = "apps.accounts.sessions"
SESSION_COOKIE_NAME = "karen_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "apps.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_UNIQUE_EMAIL = True
# Without a mail server nobody could confirm anything: then nobody is asked to.
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if ENV.email_url else "none"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = bool(ENV.email_url)
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "apps.accounts.tokens.HostBoundResetTokens"  # noqa: S105
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ALLAUTH_TRUSTED_PROXY_COUNT = ENV.trusted_proxies
SIGN_UPS_PER_HOUR = ENV.sign_ups_per_hour

# -- mail
globals().update(email_settings(ENV.email_url))
EMAIL_FILE_PATH = KAREN_VAR / "mail"
MAIL_IS_SENT = bool(ENV.email_url)  # otherwise it only lies in that folder
DEFAULT_FROM_EMAIL = ENV.email_from
SERVER_EMAIL = ENV.email_from

# -- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.session.WorkspaceSession",
        "apps.accounts.authentication.api_keys.WorkspaceApiKey",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "apps.accounts.authentication.permissions.HasWorkspacePermission"
    ],
    "DEFAULT_PARSER_CLASSES": ["apps.api.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "apps.core.pagination.NewestFirst",
    "EXCEPTION_HANDLER": "apps.api.exceptions.render_error",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "PAGE_SIZE": 50,
    # `?format=` is ours, for exports; the API itself speaks JSON only.
    "URL_FORMAT_OVERRIDE": None,
}
API_REQUESTS_PER_MINUTE = ENV.api_requests_per_minute
API_BODY_MAX_BYTES = ENV.api_body_max_bytes
SPECTACULAR_SETTINGS = {
    "TITLE": "Karen API",
    "DESCRIPTION": "Conversations with an assistant; each workspace has its own host.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.schema.add_error_responses",
    ],
}

# -- workspaces
SPARE_WORKSPACES = ENV.spare_workspaces
DEMO = ENV.demo

# -- conversations
CHAT_MESSAGE_MAX_CHARACTERS = ENV.chat_message_max_characters
CHAT_FRAME_MAX_BYTES = 64 * 1024
CHAT_MESSAGES_PER_MINUTE = ENV.chat_messages_per_minute
CHAT_TURNS_PER_USER = ENV.chat_turns_per_user
CHAT_TURNS_PER_TENANT = ENV.chat_turns_per_tenant
CHAT_QUEUE_MAX = 10
CHAT_IMPORT_MAX_BYTES = ENV.import_max_mb * 1024 * 1024
CHAT_TEMPORARY_HOURS = 24
CHAT_CONTEXT_PAST_S = 0.08  # seconds that an answer waits for what earlier conversations say
CHAT_SEARCHES_PER_MINUTE = 120
ELASTICSEARCH_URL = ENV.elasticsearch_url
ELASTICSEARCH_PREFIX = ENV.elasticsearch_prefix
CHAT_THREADS = ENV.chat_threads
CHAT_MAX_TOKENS = ENV.answer_max_tokens
LEDGER_KEEP_MONTHS = ENV.ledger_keep_months
CHAT_TEMPERATURE = 0.3
CHAT_TOOL_ROUNDS = ENV.chat_tool_rounds
CHAT_TOOL_CALLS = ENV.chat_tool_calls
CHAT_FALLBACK = ENV.chat_fallback

# -- memory
MEMORY_ANALYTICS_ROOT = KAREN_VAR / "memory-analytics"
MEMORY_RECALL_S = 0.15  # a prompt does without what is not recalled by then

# -- attachments
FILES_ROOT = KAREN_VAR / "files"
ATTACHMENT_MAX_BYTES = ENV.attachment_max_mib * 2**20
ATTACHMENT_KIND_BYTES = ENV.attachment_limits()
ATTACHMENT_KINDS = frozenset(kind.strip() for kind in ENV.attachment_kinds.split(","))
ATTACHMENTS_PER_MESSAGE = ENV.attachments_per_message
ATTACHMENTS_PER_MINUTE = ENV.attachments_per_minute
ATTACHMENT_QUOTA_BYTES = ENV.attachment_quota_mib * 2**20
ATTACHMENT_UNSENT_S = ENV.attachment_unsent_hours * 3600
ATTACHMENT_READ_S = ENV.attachment_read_seconds
ATTACHMENT_READ_BYTES = ENV.attachment_read_mib * 2**20
ATTACHMENT_TEXT_CHARACTERS = 400_000
ATTACHMENT_SUMMARY_TOKENS = 2_000  # texts with more get a summary
CLAMAV_URL = ENV.clamav_url
CHAT_TITLES = ENV.chat_titles
CHAT_SUMMARIES = ENV.chat_summaries
# Floor and cap of each source of a prompt, as shares of what instructions and question leave.
CHAT_CONTEXT_SHARES: dict[str, tuple[float, float]] = {
    "thread": (0.3, 1.0),
    "standing": (0.05, 0.1),
    "profile": (0.05, 0.25),
    "pin": (0.15, 0.2),
    "attachment": (0.15, 0.6),
    "past": (0.05, 0.15),
    "memory": (0.1, 0.2),
    "summary": (0.15, 0.15),
}
CHAT_CONTEXT_MEMORIES = 12  # most that are recalled for one prompt
# Tokens: up to which all memories are given instead; of standing instructions; of the profile.
CHAT_CONTEXT_EVERYTHING = 1_500
CHAT_CONTEXT_STANDING = 200
CHAT_CONTEXT_PROFILE = 300
# A thread that takes more than the first share is summarised until it takes the second one.
CHAT_CONTEXT_SUMMARISE = (0.7, 0.35)

# -- models
PROVIDERS_ALLOW_NETWORK = True
PROVIDERS_ECHO = False
OPENAI_API_KEY = ENV.openai_api_key
OPENAI_BASE_URL = ENV.openai_base_url
OPENAI_MODELS = ENV.openai_models
EMBEDDING_MODEL = ENV.embedding_model
EMBEDDING_CACHE_S = ENV.embedding_cache_s
WORKSPACE_ADAPTERS = ENV.workspace_adapters
DEFAULT_MODEL = ENV.default_model
GATEWAY_UPKEEP = True
LOCAL_MODEL = ENV.local_model
MODELS_DIR = ENV.models_dir
LOCAL_THREADS = ENV.local_threads
LOCAL_CONTEXT_TOKENS = ENV.local_context_tokens
LOCAL_CPUS = ENV.local_cpus
LOCAL_MMAP = ENV.local_mmap
LOCAL_GPU_LAYERS = ENV.local_gpu_layers
LOCAL_GPU_REQUIRED = ENV.local_gpu_required
LOCAL_MEMORY_MIB = ENV.local_memory_mib
LOCAL_IDLE_SECONDS = ENV.local_idle_seconds
MODELS_IMPORT_MAX_MIB = ENV.models_import_max_mib

# -- language and time
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# -- logs
LOGGING = logging_config(level=ENV.log_level, json_lines=ENV.log_json)
configure_structlog()
