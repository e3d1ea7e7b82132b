"""The only reader of the environment.

Every variable is one field of `Environment` with type, default and help; `docs/configuration.md` is
generated from them (`python -m karen_site.env > docs/configuration.md`) and a test compares. A
value that does not fit ends the program with one sentence that names the variable.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dotenv import dotenv_values

BASE_DIR = Path(__file__).resolve().parent.parent

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


class BadEnvironment(SystemExit):
    """A variable is missing or wrong; its text is the one sentence the operator needs."""


def _var(default: Any, text: str, *, group: str, secret: bool = False) -> Any:  # noqa: ANN401  # stands for any type
    return field(default=default, metadata={"help": text, "group": group, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the operator sets, typed."""

    # -- the platform
    secret_key: str = _var(
        "", "Signs sessions and links. At least 50 characters.", group="Platform", secret=True
    )
    platform_key: str = _var(
        "",
        "32 random bytes, base64url; wraps every tenant's data key. Losing it loses all sealed "
        "secrets.",
        group="Platform",
        secret=True,
    )
    base_domain: str = _var(
        "localhost",
        "Host of the platform; workspaces live at `<slug>.<base domain>`.",
        group="Platform",
    )
    port: int = _var(
        8000, "Port the web server listens on; part of the links Karen shows.", group="Platform"
    )
    public_port: str = _var(
        "",
        "Port shown in links when a proxy listens elsewhere; empty means `PORT`, `default` means "
        "none.",
        group="Platform",
    )
    bind: str = _var("127.0.0.1", "Address the web server listens on.", group="Platform")
    sign_ups_per_hour: int = _var(
        30,
        "Most workspaces that may be signed up from one address within an hour.",
        group="Platform",
    )
    trusted_proxies: int = _var(
        0,
        "Reverse proxies in front of Karen; so many addresses at the end of `X-Forwarded-For` are"
        " believed.",
        group="Platform",
    )
    scheme: str = _var("http", "`http` or `https`: how browsers reach Karen.", group="Platform")
    karen_var: Path = _var(
        BASE_DIR / "var", "Folder for everything Karen writes at run time.", group="Platform"
    )
    spare_workspaces: int = _var(
        2, "Empty workspaces kept ready so that sign-up is instant.", group="Platform"
    )
    karen_role: str = _var(
        "",
        "`web` and `worker` processes pool database connections; set by the ASGI entry and the"
        " Procfile.",
        group="Platform",
    )
    demo: bool = _var(
        True, "Create the demo workspace on the first start (development only).", group="Platform"
    )
    # -- services
    database_url: str = _var(
        "",
        "PostgreSQL 15 or newer with pgvector, `postgresql://user:password@host:port/name`. `make"
        " run` starts an embedded one when empty.",
        group="Services",
        secret=True,
    )
    db_pool_size: int = _var(
        20, "Most pooled database connections of one web or worker process.", group="Services"
    )
    db_threads: int = _var(
        8, "Threads of one process for database work called from async code.", group="Services"
    )
    chat_threads: int = _var(
        256,
        "Answers that one worker writes at the same time. One that waits for its model costs a"
        " thread and no database connection.",
        group="Services",
    )
    redis_url: str = _var(
        "redis://127.0.0.1:6379",
        "Redis 7 or Valkey; databases 0 (broker), 1 (streams, channels) and 2 (cache) are used.",
        group="Services",
        secret=True,
    )
    broker_url: str = _var(
        "",
        "Separate Celery broker (`noeviction`); default: database 0 of `REDIS_URL`.",
        group="Services",
        secret=True,
    )
    streams_url: str = _var(
        "",
        "Separate event streams (`noeviction`); default: database 1 of `REDIS_URL`.",
        group="Services",
        secret=True,
    )
    cache_url: str = _var(
        "",
        "Separate cache (`allkeys-lfu`); default: database 2 of `REDIS_URL`.",
        group="Services",
        secret=True,
    )
    email_url: str = _var(
        "",
        "SMTP server, `smtp://user:password@host:587?tls=1`. Empty: mails are written to "
        "`var/mail` and nobody is asked to confirm an address.",
        group="Services",
        secret=True,
    )
    email_from: str = _var("Karen <karen@localhost>", "Sender of Karen's mails.", group="Services")
    elasticsearch_url: str = _var(
        "",
        "Elasticsearch 9 for searching conversations, `https://user:password@host:9200`, several"
        " hosts with commas between; run `manage.py rebuild_search` after setting it. Empty:"
        " PostgreSQL searches.",
        group="Services",
        secret=True,
    )
    elasticsearch_prefix: str = _var(
        "karen", "What the names of Karen's Elasticsearch indices begin with.", group="Services"
    )
    # -- chat
    chat_message_max_characters: int = _var(
        10_000, "Most characters of one message, unless the plan says more or less.", group="Chat"
    )
    chat_messages_per_minute: int = _var(
        10,
        "Messages one person may send in 60 seconds, unless the plan says otherwise.",
        group="Chat",
    )
    chat_turns_per_user: int = _var(
        20,
        "Answers of one person waited for or written at once, unless the plan says otherwise.",
        group="Chat",
    )
    chat_turns_per_tenant: int = _var(
        500,
        "Answers of one workspace waited for or written at once, unless the plan says otherwise.",
        group="Chat",
    )
    import_max_mb: int = _var(
        32, "Largest file of conversations that may be imported, in MB.", group="Chat"
    )
    # -- models
    models_dir: Path = _var(
        BASE_DIR / "models", "Folder with GGUF files of local models.", group="Models"
    )
    local_model: bool = _var(True, "Offer local models (llama.cpp).", group="Models")
    local_threads: int = _var(
        0, "Threads of local generation; 0 means the number of cores.", group="Models"
    )
    local_context_tokens: int = _var(
        4096, "Context of one local conversation, in tokens.", group="Models"
    )
    local_cpus: str = _var(
        "",
        "Processors that local generation keeps to, such as `0-3,6`; empty means any.",
        group="Models",
    )
    local_mmap: bool = _var(
        True,
        "Map local model files into memory instead of reading them: they load at once, and"
        " processes share them.",
        group="Models",
    )
    local_gpu_layers: int = _var(
        0,
        "Layers of a local model that a GPU computes; 999 means all. Needs llama-cpp-python built"
        " for that GPU.",
        group="Models",
    )
    local_gpu_required: bool = _var(
        True,
        "Refuse a local model when no layer reached the GPU. Off: warn and use the CPU.",
        group="Models",
    )
    local_memory_mib: int = _var(
        0,
        "Memory that the local models of one process may take together, in MiB; 0 means 60 % of"
        " the machine's.",
        group="Models",
    )
    local_idle_seconds: int = _var(
        0,
        "Seconds without a request after which a local model gives its memory back; 0 means never.",
        group="Models",
    )
    models_import_max_mib: int = _var(
        32_768, "Largest model file that may be imported, in MiB.", group="Models"
    )
    default_model: str = _var(
        "",
        "Model used when nobody chose one, such as `openai/gpt-4o-mini`; empty: the best "
        "configured one.",
        group="Models",
    )
    answer_max_tokens: int = _var(
        1024,
        "Most tokens one answer may have; a quarter of a small model's context at most.",
        group="Models",
    )
    ledger_keep_months: int = _var(
        25,
        "Whole months for which calls stay in the ledger of usage; 0: for ever.",
        group="Models",
    )
    chat_titles: bool = _var(
        True, "Have the model write the titles of conversations.", group="Models"
    )
    chat_summaries: bool = _var(
        True,
        "Have the model summarise the beginning of conversations that outgrow its context.",
        group="Models",
    )
    openai_api_key: str = _var(
        "", "Key of an OpenAI-compatible service.", group="Models", secret=True
    )
    openai_base_url: str = _var(
        "",
        "Base URL of an OpenAI-compatible service; empty with a key set: OpenAI itself.",
        group="Models",
    )
    openai_models: str = _var(
        "", "Comma-separated model names offered from that service.", group="Models"
    )
    embedding_model: str = _var(
        "",
        "Model that turns texts into vectors, such as `openai/text-embedding-3-small` of the "
        "service above (384 dimensions); empty: the built-in one. Vectors made before are made "
        "again in the background.",
        group="Models",
    )
    embedding_cache_s: int = _var(
        86_400,
        "Seconds for which vectors are kept in Redis; 0 keeps them in each process only.",
        group="Models",
    )
    workspace_adapters: str = _var(
        "",
        "Comma-separated names of installed adapters (`docs/providers.md`) that workspaces may "
        "use for providers of their own; the platform may use each.",
        group="Models",
    )
    chat_tool_rounds: int = _var(
        6, "Most times a model may call tools before it has to answer.", group="Models"
    )
    chat_tool_calls: int = _var(
        8, "Most tools a model may call at once; the rest is refused.", group="Models"
    )
    chat_fallback: bool = _var(
        True,
        "Let another model answer, marked as such, while the chosen one cannot be reached; "
        "without any, an honest minimal answer. Off: such a turn fails.",
        group="Models",
    )
    # -- API
    api_requests_per_minute: int = _var(
        600,
        "Most requests to the OpenAI-compatible API that one person's keys may send in a minute.",
        group="API",
    )
    api_body_max_bytes: int = _var(
        8 * 1024 * 1024,
        "Largest request body of the OpenAI-compatible API, in bytes.",
        group="API",
    )
    # -- attachments
    attachment_max_mib: int = _var(
        25, "Largest file that may be attached, in MiB.", group="Attachments"
    )
    attachment_limits_mib: str = _var(
        "image=20,archive=10",
        "Smaller limits by kind of file, such as `image=10,audio=20`, in MiB.",
        group="Attachments",
    )
    attachment_kinds: str = _var(
        "text,document,table,image,audio,archive",
        "Kinds of files that are accepted, by their content.",
        group="Attachments",
    )
    attachments_per_message: int = _var(
        10, "Most files sent with one message.", group="Attachments"
    )
    attachments_per_minute: int = _var(
        30, "Most files one person may upload within a minute.", group="Attachments"
    )
    attachment_quota_mib: int = _var(
        1024, "Most that the files of one person may take, in MiB.", group="Attachments"
    )
    attachment_unsent_hours: int = _var(
        24,
        "Hours after which an uploaded file that was never sent is deleted.",
        group="Attachments",
    )
    attachment_read_seconds: int = _var(
        60, "Most seconds that scanning or reading one file may take.", group="Attachments"
    )
    attachment_read_mib: int = _var(
        1024,
        "Most memory that scanning or reading one file may take, in MiB.",
        group="Attachments",
    )
    clamav_url: str = _var(
        "",
        "ClamAV's daemon, `tcp://host:3310` or `unix:///path`. When set, no file passes without its"
        " verdict.",
        group="Attachments",
    )
    # -- logs
    log_level: str = _var(
        "INFO", "Lowest level written: DEBUG, INFO, WARNING or ERROR.", group="Logs"
    )
    log_json: bool = _var(True, "One JSON object a line; off: readable lines.", group="Logs")

    def redis_for(self, role: str, database: int) -> str:
        """Return the URL for `role`: its own variable, or a database of `REDIS_URL`."""
        own = str(getattr(self, f"{role}_url"))
        if own:
            return own
        if self.redis_url.startswith("unix:"):
            return f"{self.redis_url.split('?')[0]}?db={database}"
        parts = urlsplit(self.redis_url)
        return parts._replace(path=f"/{database}").geturl()

    def attachment_limits(self) -> dict[str, int]:
        """Return bytes by kind of file, from `ATTACHMENT_LIMITS_MIB`.

        Raises:
            BadEnvironment: It does not look like `image=10,audio=20`.
        """
        limits: dict[str, int] = {}
        for entry in filter(None, (part.strip() for part in self.attachment_limits_mib.split(","))):
            kind, equals, number = entry.partition("=")
            if not equals or not number.strip().isdigit():
                raise BadEnvironment(
                    f"ATTACHMENT_LIMITS_MIB must look like image=10,audio=20, not {entry!r}."
                )
            limits[kind.strip()] = int(number) * 2**20
        return limits

    def link_port(self) -> str:
        """Return `:port` for links, or nothing where the scheme's own port is used."""
        port = self.public_port or str(self.port)
        usual = {"http": "80", "https": "443"}[self.scheme]
        return "" if port in {"default", usual} else f":{port}"


def _convert(spec: "Field[Any]", text: str) -> Any:  # noqa: ANN401  # as many types as fields
    name = spec.name.upper()
    if spec.type in {bool, "bool"}:
        lowered = text.strip().lower()
        if lowered in _TRUE:
            return True
        if lowered in _FALSE:
            return False
        raise BadEnvironment(f"{name} must be 1 or 0, not {text!r}.")
    if spec.type in {int, "int"}:
        try:
            return int(text)
        except ValueError:
            raise BadEnvironment(f"{name} must be a whole number, not {text!r}.") from None
    if spec.type in {Path, "Path"}:
        path = Path(text).expanduser()
        return path if path.is_absolute() else BASE_DIR / path
    return text.strip()


def read_environment(source: Mapping[str, str] | None = None) -> Environment:
    """Read every variable from `source`; the process environment over `.env` when None.

    Raises:
        BadEnvironment: A value does not fit its type or choices.
    """
    if source is None:
        from_file = {k: v for k, v in dotenv_values(BASE_DIR / ".env").items() if v is not None}
        source = {**from_file, **os.environ}
    values = {
        spec.name: _convert(spec, source[spec.name.upper()])
        for spec in fields(Environment)
        if spec.name.upper() in source
    }
    env = Environment(**values)
    if env.scheme not in {"http", "https"}:
        raise BadEnvironment(f"SCHEME must be http or https, not {env.scheme!r}.")
    return env


def database_settings(url: str) -> dict[str, Any]:
    """Translate `DATABASE_URL` into Django's connection settings.

    Raises:
        BadEnvironment: It is not a PostgreSQL URL with a database name.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"postgresql", "postgres"} or not name:
        raise BadEnvironment(
            "DATABASE_URL must look like postgresql://user:password@host:5432/name; "
            "`make run` sets it for the embedded server."
        )
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "NAME": name,
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or (parts.hostname or ""),
        "PORT": query.pop("port", "") or str(parts.port or ""),
        "OPTIONS": query,
    }


def email_settings(url: str) -> dict[str, Any]:
    """Translate `EMAIL_URL` into Django's mail settings; empty means files below `KAREN_VAR`.

    Raises:
        BadEnvironment: It is not an SMTP address.
    """
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend"}
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise BadEnvironment("EMAIL_URL must look like smtp://user:password@host:587?tls=1.")
    tls = parse_qs(parts.query).get("tls", ["0"])[-1] in _TRUE
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": tls and parts.scheme == "smtp",
        "EMAIL_TIMEOUT": 10,
    }


def configuration_page() -> str:
    """Return `docs/configuration.md`."""
    lines = [
        "# Configuration",
        "",
        "Karen reads its configuration from environment variables, or from a file `.env` in the",
        "project's folder. The process environment wins. This page is generated:",
        "`python -m karen_site.env > docs/configuration.md`.",
    ]
    group = ""
    for spec in fields(Environment):
        if spec.metadata["group"] != group:
            group = spec.metadata["group"]
            lines += ["", f"## {group}", "", "| variable | default | meaning |", "|---|---|---|"]
        default = "" if spec.default is MISSING else spec.default
        if isinstance(default, Path):
            default = default.relative_to(BASE_DIR)
        if isinstance(default, bool):
            default = int(default)
        shown = f"`{default}`" if str(default) else "(empty)"
        note = " **Secret.**" if spec.metadata["secret"] else ""
        lines.append(f"| `{spec.name.upper()}` | {shown} | {spec.metadata['help']}{note} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(configuration_page())
