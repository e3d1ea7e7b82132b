"""What a prompt is and what it becomes; other apps find this in `apps.providers.registry`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from apps.providers.contracts import ChatMessage, Role


class VariableKind(StrEnum):
    """What a prompt's variable holds."""

    TEXT = "str"
    NUMBER = "int"
    FLAG = "bool"
    LIST = "list"


PromptValue: TypeAlias = str | int | bool | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptVariable:
    """A place in a prompt that its caller fills.

    Attributes:
        name: Lower case letters, digits and underscores.
        kind: What it holds.
        required: Whether a caller must give it.
        max_length: Most characters of a text, or of all entries of a list together.
        cut: A longer text loses its middle instead of being refused.
        private: It goes through the redactor before it is sent.
    """

    name: str
    kind: VariableKind = VariableKind.TEXT
    required: bool = True
    max_length: int = 200_000
    cut: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    """One message of a prompt; `text` is a template (docs/prompts.md)."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptExample:
    """What a good answer to some input looks like."""

    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSpec:
    """A prompt: what models are told for one purpose, and what its caller must give.

    Attributes:
        name: Dotted, such as `conversation.title`.
        description: What it is for, for people.
        messages: What is sent, in order.
        variables: Everything that the messages may refer to.
        role: Who the model is to be; stands before the first system message.
        think_first: The model thinks aloud before it answers; callers get the answer alone.
        examples: Inputs with good outputs.
        examples_k: How many of them are shown, those most like the input.
        output_schema: JSON text of the schema that the answer must fit; empty for free text.
        fragment: It is one text that goes into other prompts, so nothing can stand around it.
    """

    name: str
    description: str
    messages: tuple[PromptMessage, ...]
    variables: tuple[PromptVariable, ...] = ()
    role: str = ""
    think_first: bool = False
    examples: tuple[PromptExample, ...] = ()
    examples_k: int = 0
    output_schema: str = ""
    fragment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPiece:
    """Material put into a prompt: whoever wrote it gives no instructions."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """A prompt with its values, ready to be sent.

    Attributes:
        name: The prompt's name.
        version: The version's number; 0 for the one that ships with Karen.
        messages: For `ModelRequest.messages`.
        response_format: For `ModelRequest.response_format`.
        think_first: What the model writes begins with its thinking.
        output_schema: JSON text of the schema that the answer must fit.
        experiment_id: The experiment it is part of.
        arm: `a` or `b` within the experiment.
        subject: Whom or what the experiment counts, such as a conversation's id.
    """

    name: str
    version: int
    messages: tuple[ChatMessage, ...]
    response_format: str = ""
    think_first: bool = False
    output_schema: str = ""
    experiment_id: UUID | None = None
    arm: str = ""
    subject: str = ""
