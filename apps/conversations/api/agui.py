"""`POST /api/v1/agui`: the door for AG-UI clients such as CopilotKit (docs/ag-ui.md)."""

from ag_ui.core import RunAgentInput
from django.http import HttpRequest, HttpResponseBase

from apps.conversations.agui.reading import run_of
from apps.conversations.agui.streaming import run_stream
from apps.conversations.api.asynchronous import body_as, chat_endpoint
from apps.conversations.following import Follower


@chat_endpoint("POST", same_origin=True)
async def run(request: HttpRequest, *, follower: Follower) -> HttpResponseBase:
    """Take a run and stream its events."""
    return await run_stream(follower, run_of(body_as(RunAgentInput, request)))
