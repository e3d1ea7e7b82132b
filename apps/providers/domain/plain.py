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


def folded_messages(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return `messages` for templates that know no system role, or only one at the beginning.

    What the system says is put before the next thing that the user says; neighbours of one role are
    joined. The result alternates, and no text is lost.
    """
    folded: list[ChatMessage] = []
    for message in messages:
        role = Role.ASSISTANT if message.role is Role.ASSISTANT else Role.USER
        if folded and folded[-1].role is role:
            text = f"{folded[-1].text}\n\n{message.text}"
            folded[-1] = ChatMessage(role=role, text=text)
        else:
            folded.append(ChatMessage(role=role, text=message.text))
    return tuple(folded)
