"""Calling a tool in somebody's name."""

import time
from collections.abc import Collection

from pydantic import ValidationError

from apps.audit import services as audit
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.logging import get_logger
from apps.core.ratelimit import Limit, take
from apps.plugins import metrics
from apps.plugins.contracts import (
    TOOL_CALLED,
    Tool,
    ToolContext,
    ToolError,
    ToolOutcome,
    ToolResult,
    ToolStatus,
)
from apps.plugins.dispatch import run_tool
from apps.plugins.domain.messages import problems_of, similar_names, too_much
from apps.plugins.registry import find_tool
from apps.plugins.selectors import list_tools

logger = get_logger(__name__)

_MAX_ARGUMENTS = 32_000
_UNKNOWN = "(unknown)"  # a model's inventions must not become labels


async def invoke_tool(
    *,
    context: ToolContext,
    name: str,
    arguments: str,
    allowed: Collection[str] | None = None,
    call_id: str = "",
) -> ToolOutcome:
    """Call a tool; a failure of any kind is an outcome with a text for the model, never raised.

    In this order: does it exist, does the conversation allow it, may the actor use it, do the
    arguments fit, is the actor within the tool's rate, does it finish in time. The call is audited
    (without its arguments, which are content) and counted.

    Args:
        context: For whom and where.
        name: The tool as the model named it.
        arguments: JSON text as the model wrote it.
        allowed: The names that the conversation allows; None for all.
        call_id: The model's id of the call, for the audit.
    """
    started = time.perf_counter()
    with scope.actor_scope(context.actor):
        status, result = await _called(context, name, arguments, allowed)
        tool = find_tool(name)
        metrics.tool_calls_total.labels(tool.name if tool else _UNKNOWN, status.value).inc()
        if tool is not None:
            await tenant_db(_audit, context, tool, status, call_id)
    ms = round((time.perf_counter() - started) * 1000)
    logger.info("tool.called", tool=name[:64], status=status.value, ms=ms)
    return ToolOutcome(tool=name, status=status, result=result, ms=ms)


async def _called(
    context: ToolContext, name: str, arguments: str, allowed: Collection[str] | None
) -> tuple[ToolStatus, ToolResult]:
    tool = find_tool(name)
    usable = list_tools(actor=context.actor, allowed=allowed)
    if tool is None:
        text = similar_names(name, [each.name for each in usable])
        return ToolStatus.UNKNOWN, _retry(text)
    if tool not in usable:
        return ToolStatus.FORBIDDEN, _failed(
            f"The tool {tool.name} is not allowed here. Answer without it and say so."
        )
    try:
        parsed = tool.parameters.model_validate_json(_bounded(arguments))
    except ValidationError as error:
        return ToolStatus.INVALID, _retry(problems_of(error, tool.parameters))
    wait_s = await tenant_db(_seconds_to_wait, tool, context)
    if wait_s > 0:
        return ToolStatus.LIMITED, _failed(
            f"{tool.name} was used too often. It can be used again in {wait_s:.0f} seconds; "
            "answer without it now."
        )
    status, result = await run_tool(tool, context, parsed)
    return status, too_much(result, tool.max_characters)


def _bounded(arguments: str) -> str:
    # Validation fails on what is no JSON: an endless document is not even looked at.
    return (arguments.strip() or "{}") if len(arguments) <= _MAX_ARGUMENTS else "too long"


def _seconds_to_wait(tool: Tool, context: ToolContext) -> float:
    limit = Limit(name=f"tool.{tool.name}", burst=tool.per_minute, period_s=60.0)
    decision = take(limit, context.actor.id.hex if context.actor.id else "system")
    return 0.0 if decision.allowed else max(decision.retry_after_s, 1.0)


def _audit(context: ToolContext, tool: Tool, status: ToolStatus, call_id: str) -> None:
    audit.record_best_effort(
        action=TOOL_CALLED,
        target_type="tool",
        target_id=tool.name,
        target_label=tool.title,
        data={
            "status": status.value,
            "call_id": call_id[:64],
            "turn_id": str(context.turn_id),
            "conversation_id": str(context.conversation_id),
        },
    )


def _retry(text: str) -> ToolResult:
    return ToolResult(text=text, error=ToolError.RETRY)


def _failed(text: str) -> ToolResult:
    return ToolResult(text=text, error=ToolError.FAILED)
