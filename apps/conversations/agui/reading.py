"""What an AG-UI client asks, in Karen's words; what Karen cannot honour is said, never dropped.

The client keeps a copy of the conversation and sends it with every run. Karen's own copy counts:
of the client's, the last question is read, and after which answer it was asked.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from ag_ui.core import (
    AssistantMessage,
    Message,
    ReasoningMessage,
    RunAgentInput,
    TextPart,
    ToolMessage,
    UserMessage,
)
from pydantic import BaseModel, ConfigDict, ValidationError

from apps.conversations.contracts import (
    ConversationOptions,
    ModelId,
    ThreadMessage,
)
from apps.core.errors import InvalidInput

OWN = "karen"  # the key under which Karen speaks in open objects of the protocol
_ID_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something of a run that Karen does not act on.

    Attributes:
        param: Where it stands in the run's input.
        message: Why it has no effect, for a developer.
        names: Which ones.
    """

    param: str
    message: str
    names: tuple[str, ...] = ()


class _Options(ConversationOptions):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Wishes(BaseModel):
    """What `forwardedProps.karen` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelId | None = None
    options: _Options | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it was asked for.

    Attributes:
        asked: What the client sent; its messages are what the client shows.
        conversation_id: The conversation that the thread's id is the id of.
        thread_key: The key of the thread among the actor's own.
        message_key: What makes this run the same as an earlier one.
        question: The last thing the person said, and its place among the messages.
        asks: The question is the last message; otherwise the client has an answer to it.
        parent_id: The answer after which it was asked, as far as the client names one of Karen's.
        wishes: What the application wants of Karen beside.
        notes: What has no effect.
    """

    asked: RunAgentInput
    conversation_id: UUID | None
    thread_key: str
    message_key: str
    question: str | None
    asks: bool
    parent_id: UUID | None
    wishes: _Wishes
    notes: tuple[Note, ...]

    def message(self, conversation_id: UUID | None) -> ThreadMessage:
        """Return the message to send, to a conversation that was found already or to the thread."""
        return ThreadMessage(
            conversation_id=conversation_id,
            thread_key=self.thread_key,
            client_message_id=self.message_key,
            text=self.question or "",
            model=self.wishes.model,
            parent_id=self.parent_id,
            options=self.wishes.options,
        )


def run_of(asked: RunAgentInput) -> Run:
    """Return what a client asks.

    Raises:
        InvalidInput: Something does not fit, or cannot be honoured and must not be passed over.
    """
    for name, value in (("threadId", asked.thread_id), ("runId", asked.run_id)):
        if not 1 <= len(value) <= _ID_MAX:
            raise InvalidInput(fields={name: [f"Give 1 to {_ID_MAX} characters."]})
    if asked.resume:
        text = "Karen interrupts no run, so there is nothing to resume."
        raise InvalidInput(fields={"resume": [text]})
    place = _place_of_question(asked.messages)
    before = asked.messages[: place or 0]
    question = asked.messages[place] if place is not None else None
    return Run(
        asked=asked,
        conversation_id=own_id(asked.thread_id),
        thread_key=_short("thread", asked.thread_id),
        message_key=asked.run_id if len(asked.run_id) <= 64 else _short("run", asked.run_id),
        question=_text_of(question, place) if isinstance(question, UserMessage) else None,
        asks=place is not None and not any(map(_is_answer, asked.messages[place + 1 :])),
        parent_id=_parent(before),
        wishes=_wishes(asked),
        notes=tuple(_notes(asked, before)),
    )


def own_id(text: str) -> UUID | None:
    """Return an id that Karen gave: hers are UUIDs of version 7, clients' are not."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if found.version == 7 and str(found) == text.lower() else None


def answer_of(message: Message) -> UUID | None:
    """Return the answer of Karen's that a client's message is a piece of."""
    if isinstance(message, UserMessage):
        return None
    return own_id(message.id.partition(":")[0])


def _short(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:56]}"


def _place_of_question(messages: Sequence[Message]) -> int | None:
    places = [at for at, each in enumerate(messages) if isinstance(each, UserMessage)]
    return places[-1] if places else None


def _is_answer(message: Message) -> bool:
    return isinstance(message, AssistantMessage | ToolMessage | ReasoningMessage)


def _text_of(message: UserMessage, place: int | None) -> str:
    if isinstance(message.content, str):
        return message.content
    texts = []
    for at, part in enumerate(message.content):
        if not isinstance(part, TextPart):
            field = f"messages.{place}.content.{at}"
            text = "Only text can be sent here; upload files over REST."
            raise InvalidInput(fields={field: [text]})
        texts.append(part.text)
    return "\n".join(texts)


def _parent(before: Sequence[Message]) -> UUID | None:
    answers = [each for each in before if isinstance(each, AssistantMessage)]
    return answer_of(answers[-1]) if answers else None


def _wishes(asked: RunAgentInput) -> _Wishes:
    props = asked.forwarded_props
    given = props.get(OWN) if isinstance(props, dict) else None
    try:
        return _Wishes.model_validate(given or {})
    except ValidationError as error:
        problems: dict[str, list[str]] = {}
        for item in error.errors(include_url=False, include_input=False):
            field = ".".join(["forwardedProps", OWN, *map(str, item["loc"])])
            problems.setdefault(field, []).append(item["msg"])
        raise InvalidInput(fields=problems) from error


def _notes(asked: RunAgentInput, before: Sequence[Message]) -> Iterable[Note]:
    if asked.tools:
        yield Note(
            param="tools",
            names=tuple(tool.name for tool in asked.tools),
            message="Karen calls her own tools only, none of the front end's.",
        )
    if asked.context:
        yield Note(
            param="context",
            names=tuple(each.description for each in asked.context),
            message="The assistant does not read it: say in the message what it should know.",
        )
    if _state_of(asked) - {OWN}:
        yield Note(
            param="state",
            names=tuple(sorted(_state_of(asked) - {OWN})),
            message="It comes back unchanged; the assistant neither reads nor changes it.",
        )
    props = asked.forwarded_props
    others = set(props) - {OWN} if isinstance(props, dict) else {"*"} if props else set()
    if others:
        yield Note(
            param="forwardedProps",
            names=tuple(sorted(others)),
            message=f"Only what stands under {OWN} is read.",
        )
    unread = [each for each in asked.messages if each.role in {"system", "developer"}]
    if unread:
        yield Note(
            param="messages",
            names=tuple(each.id for each in unread),
            message="Personas and forwardedProps.karen.options instruct the assistant, not these.",
        )
    unknown = [
        each
        for each in before
        if isinstance(each, AssistantMessage | ToolMessage) and answer_of(each) is None
    ]
    if unknown:
        yield Note(
            param="messages",
            names=tuple(each.id for each in unknown),
            message="The thread's own messages count; these are none of Karen's answers.",
        )


def _state_of(asked: RunAgentInput) -> set[str]:
    if isinstance(asked.state, dict):
        return set(asked.state)
    return {"*"} if asked.state not in (None, "", [], ()) else set()
