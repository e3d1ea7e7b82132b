"""What crosses the border of `apps.providers`: requests, events, models, embeddings."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

if TYPE_CHECKING:
    from array import array  # not subscriptable at run time before Python 3.12


class Flow(StrEnum):
    """Why a model is called. Metrics, ledger and traces group by it, so it has no default."""

    CHAT_ANSWER = "chat.answer"
    CHAT_SUMMARY = "chat.summary"
    CHAT_TITLE = "chat.title"
    API_ANSWER = "api.answer"
    API_EMBEDDING = "api.embedding"
    ATTACHMENT_SUMMARY = "attachment.summary"
    EMBED_TEXT = "embed.text"
    HEALTH_PROBE = "health.probe"
    PROMPT_EVALUATION = "prompt.evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """On whose behalf and for what a model is called; budgets and the ledger go by it.

    Attributes:
        user_id: The person who pays with an allowance; None for the workspace itself.
        key_id: The API key that was presented, if one was.
        turn_id: The turn that the call is part of, if it is.
        attempt: The attempt at that turn.
        step: Counts the calls of one attempt from 0.
        is_sensitive: Marked by a person, or found to be so: it goes to trusted models only.
    """

    user_id: UUID | None = None
    key_id: UUID | None = None
    turn_id: UUID | None = None
    attempt: int | None = None
    step: int = 0
    is_sensitive: bool = False


NOBODY = Origin()


INTERACTIVE = frozenset({Flow.CHAT_ANSWER, Flow.API_ANSWER})  # somebody waits for a word


class Cause(StrEnum):
    """Why another model is asked; each has its own list of fallbacks."""

    FAILURE = "failure"
    CONTEXT = "context"
    REFUSAL = "refusal"


class Level(IntEnum):
    """Where a candidate comes from; a lower level is tried first."""

    CHOSEN = 1  # asked for, or named by the policy
    FALLBACK = 2  # the policy's list for this cause
    CAPABLE = 3  # whatever else is set up and able
    LOCAL = 4  # a model of our own, which needs nobody
    SCRIPTED = 5  # plays an answer; only where there is nothing else


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageData:
    """A picture for a model that sees.

    Attributes:
        media_type: Such as `image/png`.
        data: The file.
        detail: How closely to look, in OpenAI's words; empty leaves it to the model.
    """

    media_type: str
    data: bytes
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for a tool; `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of a prompt.

    Attributes:
        role: Who wrote it.
        text: Its text; for `Role.TOOL` what the tool returned.
        tool_calls: What the assistant asked for in this message.
        tool_call_id: Which call a message of `Role.TOOL` answers.
        images: Pictures beside the text; only for models with `ModelInfo.supports_vision`.
        name: Which of several writers with this role it was; empty for the only one.
        retrieved: It holds what was found elsewhere (files, memories, pages): data, never orders.
            Guardrails look at it as at what a tool returned; providers are not told.
    """

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    images: tuple[ImageData, ...] = ()
    name: str = ""
    retrieved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool the model may ask for.

    Attributes:
        name: What the model calls it.
        description: What it does, in words for the model.
        parameters: JSON Schema of its arguments.
        strict: Whether the model must keep to the schema exactly; None leaves it to the model.
    """

    name: str
    description: str
    parameters: Mapping[str, object]
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One question to one model.

    Attributes:
        model: Model id such as `local/smollm2-135m-instruct`.
        messages: The prompt, oldest first.
        max_tokens: Most tokens the answer may have.
        temperature: 0 for the most likely answer, up to 2 for the most varied.
        partition: Opaque `<tenant id>:<conversation id>`. Whatever a model keeps between calls
            (KV prefixes) is reused only inside one partition, never across.
        tools: Tools the model may ask for.
        stop: Texts at which the answer ends; they are not part of it.
        tool_choice: `auto`, `none`, `required`, or the name of the one tool to call; None leaves
            it to the model.
        response_format: JSON text of OpenAI's `response_format`; empty for free text.
        sampling: Further parameters by OpenAI's names, such as `top_p` and `reasoning_effort`;
            only such as stand in `ModelInfo.takes`.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float
    partition: str
    tools: tuple[ToolSpec, ...] = ()
    stop: tuple[str, ...] = ()
    tool_choice: str | None = None
    response_format: str = ""
    sampling: tuple[tuple[str, float | int | str | bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens consumed by one call.

    Attributes:
        prompt_tokens: Tokens read, cached ones included.
        completion_tokens: Tokens written, reasoning included.
        estimated: The provider did not report them.
        reasoning_tokens: Those of `completion_tokens` that went into reasoning.
        cached_tokens: Those of `prompt_tokens` that came from the provider's cache.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    reasoning_tokens: int = 0
    cached_tokens: int = 0


class FinishReason(StrEnum):
    """Why a stream ended by itself."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of the visible answer; never half a character."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """The next piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What the call consumed; at most one per stream."""

    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Always the last event. A stream that ends without it was cut."""

    reason: FinishReason


ProviderEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCall | UsageReport | Finished


# What may be passed on to a model beside its prompt and its tools.
SAMPLING = frozenset(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty"}
    | {"top_k", "min_p", "repetition_penalty"}
)
PARAMETERS = SAMPLING | {
    "seed",
    "max_tokens",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "name",  # of a message
    "strict",  # of a tool
    "detail",  # of an image
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that can be asked.

    Attributes:
        id: `<provider>/<name>`.
        label: The name shown to people.
        provider: The provider that reaches it: first part of its id.
        context_tokens: Most tokens of prompt and answer together.
        in_process: It runs inside Karen's worker and wants the `gpu.inference` queue.
        supports_tools: It may be given tools.
        scripted: It carries out scripts instead of writing: useless for titles and summaries.
        supports_vision: It may be given images.
        supports_formats: It may be told the format of its answer, such as a JSON schema.
        supports_reasoning: It thinks before it answers and may show it.
        via: The registered kind that reaches it, where that is not `provider`.
        source_id: The row of a provider that an operator or a workspace set up.
        is_own: The workspace in scope brought its own key for it.
        is_trusted: Sensitive content may be sent to it.
        takes: Further parameters that reach it, by OpenAI's names. Whoever passes parameters on
            refuses those that are not among them.
    """

    id: str
    label: str
    provider: str
    context_tokens: int
    in_process: bool
    supports_tools: bool
    supports_vision: bool = False
    supports_formats: bool = False
    supports_reasoning: bool = False
    scripted: bool = False
    via: str = ""
    source_id: UUID | None = None
    is_own: bool = False
    is_trusted: bool = False
    takes: frozenset[str] = PARAMETERS

    @property
    def keeps_secrets(self) -> bool:
        """Whether sensitive content may be sent to it: it is trusted, or runs here."""
        return self.in_process or self.is_trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounter:
    """Counts tokens as one model does; safe to use from several threads.

    Attributes:
        name: Which tokenizer it is; counts of equal names agree.
        count: Returns the tokens of a text.
        per_message: Tokens that a message costs beside its text.
        exact: The model's own tokenizer counts; otherwise the counts are cautious estimates.
    """

    name: str
    count: Callable[[str], int]
    per_message: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The choice made for one turn; `reason` says why, for logs and the turn's record."""

    model: ModelInfo
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A text as a vector of unit length.

    Attributes:
        vector: 32-bit floats; compact in memory, accepted by pgvector as any sequence.
        model: Id of the model that made it. Vectors of different models never mix.
    """

    vector: "array[float]"
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """Whether any model can be asked, without asking one.

    Attributes:
        ok: At least one model is usable.
        detail: One sentence for operators.
        models: Ids of the usable models.
    """

    ok: bool
    detail: str
    models: tuple[str, ...] = field(default=())


class ChatAdapter(Protocol):
    """Speaks one wire format (or one engine) for chat models."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the events of one answer; exactly one `Finished`, last.

        An async generator: closing it stops the model. Raises only errors of
        `apps.providers.errors`.
        """
        ...


@runtime_checkable
class BatchingAdapter(Protocol):
    """A chat adapter that can hand over together what arrived together.

    Whoever forwards an answer then writes once for all of it.
    """

    def stream_batches(self, request: ModelRequest) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yield the events of `ChatAdapter.stream` in non-empty batches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorBatch:
    """What an embedding model made of some texts.

    Attributes:
        vectors: One of unit length per text, in order.
        tokens: Tokens read, where the provider reports them.
    """

    vectors: "list[array[float]]"
    tokens: int | None = None


class EmbeddingAdapter(Protocol):
    """Turns texts into vectors."""

    async def embed(self, texts: Sequence[str]) -> VectorBatch:
        """Return one vector of unit length per text, in order.

        The vector of a text does not depend on the texts beside it. Raises only errors of
        `apps.providers.errors`.
        """
        ...


@runtime_checkable
class CustomAdapter(Protocol):
    """What a package offers that brings its own way to models (`docs/providers.md`).

    Its entry point in the group `karen.adapters` names a callable that takes a
    `registry.Endpoint` and returns one of these. All methods run on one event loop; whatever
    blocks belongs in a thread of the package's own.
    """

    async def load_model(self, model: str) -> None:
        """Make a model ready; called once before its first use and after it was unloaded."""
        ...

    def generate(self, request: ModelRequest) -> AsyncGenerator[str | ProviderEvent, None]:
        """Yield the answer: texts, or events where the model says more.

        Closing the generator stops the model. Without a `Finished` the answer counts as whole
        when the generator ends.
        """
        ...

    async def get_embeddings(
        self, texts: Sequence[str], *, model: str
    ) -> Sequence[Sequence[float]]:
        """Return one vector per text, in order."""
        ...

    async def unload_model(self, model: str) -> None:
        """Give back what a model holds; called when it was not used for a while."""
        ...
