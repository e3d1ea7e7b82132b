"""The border between Karen and code that is not Karen's: isolates, times and counts it."""

import asyncio
import inspect
import time

from pydantic import BaseModel

from apps.core.concurrency import tenant_db
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.core.metrics import unhandled_total
from apps.plugins import metrics
from apps.plugins.contracts import Tool, ToolContext, ToolError, ToolResult, ToolStatus
from apps.plugins.errors import ToolProblem, ToolRetry

logger = get_logger(__name__)


async def run_tool(
    tool: Tool, context: ToolContext, arguments: BaseModel
) -> tuple[ToolStatus, ToolResult]:
    """Run `tool` within its time and return how it ended; never raises for its failures.

    A plain function that outlives its time keeps its thread until it returns: nothing can stop a
    thread. Whatever may take long must be a coroutine.
    """
    started = time.perf_counter()
    try:
        async with asyncio.timeout(tool.timeout_s) as limit:
            result = await _result(tool, context, arguments)
            return _status(result), result
    except Exception as error:  # the plugin boundary: one tool's bug ends no answer
        expired = isinstance(error, TimeoutError) and limit.expired()
        told = None if expired else _told(error)
        if told is None and not expired:
            logger.exception("tool.broken", tool=tool.name)
            unhandled_total.labels("tool").inc()
    finally:
        metrics.tool_seconds.labels(tool.name).observe(time.perf_counter() - started)
    if expired:
        text = f"{tool.name} did not answer within {tool.timeout_s:g} seconds and was given up."
        return ToolStatus.TIMEOUT, _failed(text)
    return told or (ToolStatus.BROKEN, _failed(f"{tool.name} failed for a reason on our side."))


def _told(error: Exception) -> tuple[ToolStatus, ToolResult] | None:
    """Return what a tool said about its failure, or None when it did not mean to fail."""
    match error:
        case ToolRetry():
            return ToolStatus.RETRY, ToolResult(text=error.text, error=ToolError.RETRY)
        case ToolProblem():
            return ToolStatus.FAILED, _failed(error.text)
        case KarenError():
            return ToolStatus.FAILED, _failed(error.message())
        case _:
            return None


async def _result(tool: Tool, context: ToolContext, arguments: BaseModel) -> ToolResult:
    if inspect.iscoroutinefunction(tool.run):
        result = await tool.run(context, arguments)
    else:
        result = await tenant_db(tool.run, context, arguments)
    if not isinstance(result, ToolResult):
        raise TypeError(f"{tool.name} returned {type(result).__name__}, not a ToolResult")
    return result


def _status(result: ToolResult) -> ToolStatus:
    match result.error:
        case None:
            return ToolStatus.OK
        case ToolError.RETRY:
            return ToolStatus.RETRY
        case ToolError.FAILED:
            return ToolStatus.FAILED


def _failed(text: str) -> ToolResult:
    return ToolResult(text=text, error=ToolError.FAILED)
