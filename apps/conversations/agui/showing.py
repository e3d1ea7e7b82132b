"""A thread as messages of AG-UI, for a client that has nothing of it yet."""

from collections.abc import Iterable

from ag_ui.core import (
    AssistantMessage,
    FunctionCall,
    Message,
    ReasoningMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

from apps.conversations.agui.telling import Pieces
from apps.conversations.contracts import MessageView, ReasoningPart, TextPart, ToolPart
from apps.providers.contracts import Role


def messages_of(views: Iterable[MessageView]) -> list[Message]:
    """Return messages in the pieces and with the ids in which a run tells them."""
    shown: list[Message] = []
    for view in views:
        if view.role is Role.USER:
            shown.append(UserMessage(id=str(view.id), content=view.text))
        else:
            shown += _answer(view)
    return shown


def _answer(view: MessageView) -> list[Message]:
    pieces = Pieces(view.id)
    shown: list[Message] = []
    at: dict[str, AssistantMessage] = {}

    def piece(message_id: str) -> AssistantMessage:
        if message_id not in at:
            at[message_id] = AssistantMessage(id=message_id)
            shown.append(at[message_id])
        return at[message_id]

    for part in view.parts:
        match part:
            case TextPart():
                message = piece(pieces.message_for_text())
                message.content = (message.content or "") + part.text
            case ReasoningPart():
                shown.append(ReasoningMessage(id=pieces.thought(), content=part.text))
            case ToolPart():
                message = piece(pieces.message_for_call())
                function = FunctionCall(name=part.name, arguments=part.arguments)
                call = ToolCall(id=pieces.call(part.call_id), function=function)
                message.tool_calls = [*(message.tool_calls or ()), call]
                result = ToolMessage(
                    id=pieces.result(part.call_id),
                    tool_call_id=pieces.call(part.call_id),
                    content=part.result,
                )
                shown.append(result)
            case _:
                continue
    return shown
