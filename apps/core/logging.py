"""Structured logs: one JSON object a line, with the scope's fields and without secrets."""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

from apps.core import scope

_SECRET_NAME = re.compile(
    r"pass(word|wd)?$|secret|token|authorization|cookie|api_?key|private_?key|credential|otp|"
    r"^code$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?i)\b(?:bearer|basic)\s+[a-z0-9._~+/=-]{8,}|\bsk-[a-z0-9_-]{8,}|://[^/\s:@]+:[^/\s@]+@"
)
_REDACTED = "[redacted]"

Event = MutableMapping[str, Any]


def add_scope(_logger: object, _method: str, event: Event) -> Event:
    """Add tenant, actor and correlation id of the scope to a log event."""
    tenant = scope.current()
    if tenant is not None:
        event.setdefault("tenant", tenant.slug)
        event.setdefault("tenant_id", str(tenant.id))
    actor = scope.current_actor()
    if actor.id is not None:
        event.setdefault("actor_id", str(actor.id))
    correlation_id = scope.correlation_id()
    if correlation_id:
        event.setdefault("correlation_id", correlation_id)
    return event


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_REDACTED, value)
    if isinstance(value, dict):
        return {key: _redacted_field(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    return value


def _redacted_field(name: str, value: object) -> object:
    # Numbers are never secrets here; `completion_tokens` is one of the more useful ones.
    if _SECRET_NAME.search(name) and not isinstance(value, int | float | None):
        return _REDACTED
    return _redacted(value)


def redact_secrets(_logger: object, _method: str, event: Event) -> Event:
    """Replace values under secret-looking names and secret-looking text, at any depth."""
    for key in list(event):
        event[key] = _redacted_field(key, event[key])
    return event


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_scope,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_secrets,
    ]


def logging_config(*, level: str, json_lines: bool) -> dict[str, Any]:
    """Return Django's `LOGGING` so that structlog and stdlib loggers share one output.

    Args:
        level: Lowest level shown, such as `INFO`.
        json_lines: One JSON object a line (production); readable lines otherwise.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    renderer,
                ],
                "foreign_pre_chain": _shared_processors(),
            }
        },
        "handlers": {"stream": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stream"], "level": level},
        "loggers": {
            "django": {"level": level, "propagate": True, "handlers": []},
            "django.server": {"level": "WARNING", "propagate": True, "handlers": []},
            "daphne": {"level": "WARNING"},
            "mcp": {"level": "WARNING"},  # it tells of each request that it began and ended
            "celery": {"level": level},
            # One line per received and finished task says less than the services' own lines.
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
        },
    }


def configure_structlog() -> None:
    """Send structlog's events through the standard library's handlers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; events are named `noun.verb` with fields, never f-strings."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


__all__ = ["add_scope", "configure_structlog", "get_logger", "logging_config", "redact_secrets"]
