"""What can be asked, and what comes of embedding a text."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from array import array  # not subscriptable at run time before Python 3.12


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
