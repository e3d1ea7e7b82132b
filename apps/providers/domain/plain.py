"""Prompts for models that know neither tools nor images. Pure."""

from collections.abc import Sequence

from apps.providers.contracts import ChatMessage, Role


def _said(message: ChatMessage) -> ChatMessage | None:
    if message.role is Role.TOOL:
        return ChatMessage(role=Role.USER, text=f"Result of a tool: {message.text}")
    if message.tool_calls and not message.text:
        return None
    return ChatMessage(role=message.role, text=message.text)


def plain_messages(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return `messages` in the roles that every chat template knows, with nothing but text.

    Results of tools are told by the user; neighbours of one role are joined, because many templates
    insist that roles alternate.
    """
    if not any(each.role is Role.TOOL or each.tool_calls for each in messages):
        return tuple(messages)
    said = [each for each in map(_said, messages) if each is not None]
    joined: list[ChatMessage] = []
    for message in said:
        if joined and joined[-1].role is message.role:
            text = f"{joined[-1].text}\n\n{message.text}"
            joined[-1] = ChatMessage(role=message.role, text=text)
        else:
            joined.append(message)
    return tuple(joined)
