"""Assistants: `karen` and `karen/<persona>` as models of this API.

An assistant's answer is a turn through `apps.conversations.hub`, with memory, knowledge and tools.
The request brings the whole conversation along, so the turn lives in a temporary conversation.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.api.errors import ParameterInvalid, ParameterUnsupported
from apps.api.openai.caller import Caller
from apps.conversations import hub, registry as personas
from apps.conversations.contracts import (
    CancelledEvent,
    ConversationOptions,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    InterruptedEvent,
    ReasoningEvent,
    SaidBefore,
    SnapshotEvent,
    StartEvent,
    Transcript,
    TurnEvent,
    UsageEvent,
)
from apps.conversations.errors import AnswerFailed, PersonaNotFound
from apps.conversations.following import Follower, follow_turn
from apps.core.concurrency import tenant_db
from apps.core.ids import new_id
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    Role,
    TextDelta,
    Usage,
    UsageReport,
)
from apps.providers.errors import ModelNotFound, ProviderInterrupted

ASSISTANT = "karen"

_INSTRUCTION_MAX = 8_000

_Batches = AsyncGenerator[list[ProviderEvent], None]


def is_assistant(model_id: str) -> bool:
    """Say whether a model id means an assistant rather than a plain model."""
    return model_id == ASSISTANT or model_id.startswith(f"{ASSISTANT}/")


def list_assistants(_caller: Caller) -> tuple[str, ...]:
    """Return the ids of the assistants that come along; people's own personas are asked by name."""
    more = (slug for slug in personas.list_builtin_slugs() if slug != ASSISTANT)
    return (ASSISTANT, *(f"{ASSISTANT}/{slug}" for slug in more))


def described(model_id: str) -> ModelInfo:
    """Return what the checks of a request need to know of an assistant.

    Raises:
        ModelNotFound: The id names no persona.
    """
    if model_id != ASSISTANT and not _persona_of(model_id):
        raise ModelNotFound(model=model_id)
    return ModelInfo(
        id=model_id,
        label="Karen",
        provider="karen",
        context_tokens=1_000_000,  # the turn cuts what does not fit, and says so
        in_process=False,
        supports_tools=False,
        takes=frozenset({"temperature"}),
    )


async def stream_assistant(caller: Caller, request: ModelRequest) -> _Batches:
    """Answer with an assistant; batches of events, the last of which is `Finished`.

    Whoever goes away stops the answer: nobody could come back for it.

    Raises:
        ParameterUnsupported: The request wants what an assistant decides itself.
        ParameterInvalid: The messages do not end with a person's.
        ProviderInterrupted: The answer was stopped, or began again after a part was sent.
        AnswerFailed: The turn failed.
        ModelNotFound: The caller has no such persona.
    """
    transcript = _transcript(request)
    try:
        accepted = await tenant_db(
            hub.ask_with_transcript, actor=caller.actor, edge="openai", transcript=transcript
        )
    except PersonaNotFound as error:
        raise ModelNotFound(model=request.model) from error
    telling = _Telling()
    follower = Follower(tenant=caller.tenant, actor=caller.actor)
    try:
        async with aclosing(follow_turn(follower, accepted.turn_id)) as events:
            async for followed in events:
                if followed is not None and (batch := telling.take(followed[1])):
                    yield batch
    finally:
        if not telling.ended:
            await tenant_db(hub.stop_turn, actor=caller.actor, turn_id=accepted.turn_id)


def _transcript(request: ModelRequest) -> Transcript:
    for name, given in (
        ("tools", request.tools),
        ("stop", request.stop),
        ("response_format", request.response_format),
    ):
        if given:
            raise ParameterUnsupported(param=name)
    if any(m.role is Role.TOOL or m.tool_calls for m in request.messages):
        text = _("An assistant calls its own tools: leave out calls and results of yours.")
        raise ParameterUnsupported("messages", text)
    spoken = [m for m in request.messages if m.role in {Role.USER, Role.ASSISTANT} and m.text]
    if not spoken or spoken[-1].role is not Role.USER:
        raise ParameterInvalid(param="messages", text="The last message must be the user's.")
    system = "\n\n".join(m.text for m in request.messages if m.role is Role.SYSTEM)
    options: dict[str, object] = {"temperature": request.temperature}
    if persona := _persona_of(request.model):
        options["persona"] = persona
    if len(system) > _INSTRUCTION_MAX:
        text = _("At most %(count)d characters of instructions.") % {"count": _INSTRUCTION_MAX}
        raise ParameterInvalid("messages", text)
    if system:
        options["system_instruction"] = system
    return Transcript(
        before=tuple(_said(message) for message in spoken[:-1]),
        text=spoken[-1].text,
        client_message_id=new_id().hex,
        options=ConversationOptions.model_validate(options),
    )


def _persona_of(model_id: str) -> str:
    return model_id.partition("/")[2]


def _said(message: ChatMessage) -> SaidBefore:
    return SaidBefore(role="user" if message.role is Role.USER else "assistant", text=message.text)


@dataclass(slots=True)
class _Telling:
    """What was told so far: a client of this API cannot take anything back."""

    text: str = ""
    ended: bool = False

    def take(self, event: TurnEvent) -> list[ProviderEvent]:
        """Return what a turn's event adds to what was told."""
        match event:
            case StartEvent() if self.text:
                raise ProviderInterrupted
            case DeltaEvent():
                self.text += event.text
                return [TextDelta(text=event.text)]
            case SnapshotEvent():
                return self._rest(event.text)
            case ReasoningEvent():
                return [ReasoningDelta(text=event.text)]
            case UsageEvent():
                usage = Usage(
                    prompt_tokens=event.prompt_tokens,
                    completion_tokens=event.completion_tokens,
                    estimated=event.estimated,
                )
                return [UsageReport(usage=usage)]
            case DoneEvent():
                self.ended = True
                return [Finished(reason=_reason(event.finish_reason))]
            case ErrorEvent():
                self.ended = True
                raise AnswerFailed(body=event.error)
            case CancelledEvent() | InterruptedEvent():
                self.ended = True
                raise ProviderInterrupted
            case _:
                return []

    def _rest(self, whole: str) -> list[ProviderEvent]:
        if not whole.startswith(self.text):
            raise ProviderInterrupted
        rest, self.text = whole[len(self.text) :], whole
        return [TextDelta(text=rest)] if rest else []


def _reason(text: str) -> FinishReason:
    return FinishReason(text) if text in set(FinishReason) else FinishReason.STOP
