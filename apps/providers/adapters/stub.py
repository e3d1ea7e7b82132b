"""The model for load and chaos: its name says how fast it is (`apps.providers.domain.stub`)."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping

from apps.providers.contracts import (
    Finished,
    FinishReason,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
    ToolCall,
    ToolSpec,
    Usage,
    UsageReport,
)
from apps.providers.domain import stub

_EXAMPLES: Mapping[str, object] = {
    "integer": 1, "number": 1, "boolean": True, "array": [], "object": {},
}  # fmt: skip


class StubAdapter:
    """Says words at the pace of the profile; one word is one token.

    The pace is kept by the clock and not by pauses: a loop that was held up catches up, as a
    provider's buffered stream does. Closing the generator ends it at once.
    """

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield tool calls first where the profile has them and tools are offered, then words.

        Raises:
            BadProfile: The name is no profile; whoever looks the model up has refused it before.
        """
        profile = stub.parse_profile(request.model)
        loop = asyncio.get_running_loop()
        started = loop.time()
        prompt_tokens = sum(len(message.text.split()) for message in request.messages)
        called = _results_since_question(request)
        if request.tools and called < profile.tools:
            await asyncio.sleep(profile.due_s(0))
            yield _call(request.tools[called % len(request.tools)], called)
            yield _usage(prompt_tokens, 0)
            yield Finished(reason=FinishReason.TOOL_CALLS)
            return
        count = min(profile.length, request.max_tokens)
        for number, word in enumerate(stub.words(_question(request), count)):
            await asyncio.sleep(max(started + profile.due_s(number) - loop.time(), 0))
            yield TextDelta(text=word)
        yield _usage(prompt_tokens, count)
        whole = count == profile.length
        yield Finished(reason=FinishReason.STOP if whole else FinishReason.LENGTH)


def _question(request: ModelRequest) -> str:
    texts = (message.text for message in reversed(request.messages) if message.role is Role.USER)
    return next(texts, "")


def _results_since_question(request: ModelRequest) -> int:
    count = 0
    for message in reversed(request.messages):
        if message.role is Role.USER:
            break
        count += message.role is Role.TOOL
    return count


def _call(tool: ToolSpec, number: int) -> ToolCall:
    """Ask for a tool with the plainest arguments its schema takes."""
    properties, required = tool.parameters.get("properties"), tool.parameters.get("required")
    known = properties if isinstance(properties, Mapping) else {}
    names = required if isinstance(required, list) else []
    arguments = {name: _example(known.get(name)) for name in names}
    return ToolCall(id=f"stub_{number + 1}", name=tool.name, arguments=json.dumps(arguments))


def _example(schema: object) -> object:
    if not isinstance(schema, Mapping):
        return "1"
    choices = schema.get("enum") or schema.get("examples")
    if isinstance(choices, list) and choices:
        return choices[0]
    return schema.get("default", _EXAMPLES.get(str(schema.get("type")), "1"))


def _usage(prompt_tokens: int, completion_tokens: int) -> UsageReport:
    return UsageReport(
        usage=Usage(
            prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, estimated=False
        )
    )
