"""Calling a tool: arguments checked, run beside the event loop, every outcome counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from apps.api.mcp.toolbox import TOOLS, Tool
from apps.api.metrics import mcp_calls_total
from apps.core.concurrency import tenant_db
from apps.core.envelope import ErrorBody, error_body
from apps.core.errors import InternalError, InvalidInput, KarenError
from apps.core.logging import get_logger
from apps.core.metrics import errors_total, unhandled_total
from apps.core.scope import Actor, current_actor

logger = get_logger(__name__)

EDGE = "mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a call came to: an answer, or an error with what a model needs to know of it.

    Attributes:
        answer: What the tool found or did; empty beside an error.
        text: The error in words, field by field; empty beside an answer.
        error: The same for programs.
    """

    answer: Mapping[str, Any]
    text: str = ""
    error: ErrorBody | None = None


def offered(actor: Actor) -> list[Tool]:
    """Return the tools that an actor may call."""
    return [tool for tool in TOOLS.values() if actor.may(tool.permission)]


async def call(tool: Tool, arguments: Mapping[str, Any]) -> Called:
    """Call a tool for the actor in scope; whatever goes wrong becomes an answer."""
    outcome = "ok"
    try:
        return Called(answer=await tenant_db(_run, tool, arguments))
    except KarenError as error:
        outcome = error.code
        errors_total.labels(error.code, EDGE).inc()
        return _failed(error)
    except Exception:  # the SDK above would hide it from our log and our count
        outcome = InternalError.code
        unhandled_total.labels(EDGE).inc()
        logger.exception("mcp.failed", tool=tool.name)
        return _failed(InternalError())
    finally:
        mcp_calls_total.labels(tool.name, outcome).inc()


def _run(tool: Tool, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        asked = tool.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidInput(fields=_problems(error)) from error
    return tool.run(current_actor(), asked)


def _problems(error: ValidationError) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(map(str, each["loc"])) or "arguments"
        fields.setdefault(name, []).append(f"{each['msg']}.")
    return fields


def _failed(error: KarenError) -> Called:
    lines = [error.message()]
    if isinstance(error, InvalidInput):
        lines += [f"{name}: {' '.join(why)}" for name, why in (error.fields or {}).items()]
    return Called(answer={}, text="\n".join(lines), error=error_body(error))
