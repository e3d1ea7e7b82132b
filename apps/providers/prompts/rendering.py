"""From a wording and values to messages."""

import json
from collections.abc import Callable, Mapping, Sequence

from apps.providers import registry
from apps.providers.contracts import ChatMessage, Role
from apps.providers.domain.composing import (
    THINKING,
    fenced,
    with_beginning,
    with_ending,
    with_examples,
    with_material,
)
from apps.providers.domain.likeness import lexical_likeness, most_like
from apps.providers.domain.prompt_specs import (
    ContextPiece,
    PromptExample,
    PromptSpec,
    PromptValue,
    RenderedPrompt,
)
from apps.providers.domain.prompt_values import ValueFault, checked_values
from apps.providers.domain.templates import parse_template
from apps.providers.errors import PromptInvalid, PromptValueInvalid
from apps.providers.prompts.builtin import MATERIAL, THINK_FIRST
from apps.providers.prompts.in_force import Chosen, choose

PIECES_MAX, PIECE_CHARACTERS = 50, 200_000

Likeness = Callable[[str, Sequence[str]], Sequence[float]]


def lexically(text: str, others: Sequence[str]) -> Sequence[float]:
    """Return how like each other text is, by its words."""
    return [lexical_likeness(text, other) for other in others]


def render(
    chosen: Chosen,
    values: Mapping[str, PromptValue],
    *,
    contexts: Sequence[ContextPiece] = (),
    likeness: Likeness = lexically,
    subject: str = "",
) -> RenderedPrompt:
    """Return a wording with its values, its examples and material around it.

    Raises:
        PromptValueInvalid: A value does not fit its variable; names it.
        PromptInvalid: There is more material than a prompt may have.
    """
    spec = chosen.wording.spec
    texts = _texts(spec, values)
    messages = [
        ChatMessage(role=message.role, text=parse_template(message.text).render(texts))
        for message in spec.messages
    ]
    question = next((m.text for m in reversed(messages) if m.role is Role.USER), "")
    if spec.role:
        messages = with_beginning(messages, spec.role)
    if spec.think_first:
        messages = with_ending(messages, fragment_text(THINK_FIRST, {"tag": THINKING}))
    if spec.examples and spec.examples_k:
        messages = with_examples(messages, _chosen_examples(spec, question, likeness))
    if contexts:
        messages = with_material(messages, _material(spec, contexts))
    return RenderedPrompt(
        name=spec.name,
        version=chosen.wording.number,
        messages=tuple(messages),
        response_format=_response_format(spec),
        think_first=spec.think_first,
        output_schema=spec.output_schema,
        experiment_id=chosen.experiment_id,
        arm=chosen.arm,
        subject=subject,
    )


def fragment_text(name: str, values: Mapping[str, PromptValue]) -> str:
    """Return the text of a fragment.

    Raises:
        PromptNotFound: There is no such prompt.
        PromptValueInvalid: A value does not fit its variable.
    """
    spec = choose(name).wording.spec
    assert spec.fragment, name
    return parse_template(spec.messages[0].text).render(_texts(spec, values))


def _texts(spec: PromptSpec, values: Mapping[str, PromptValue]) -> dict[str, str]:
    try:
        texts = checked_values(spec.variables, values)
    except ValueFault as fault:
        raise PromptValueInvalid(
            prompt=spec.name, variable=fault.variable, problem=fault.problem
        ) from None
    for variable in spec.variables:
        if variable.private and texts[variable.name]:
            texts[variable.name] = registry.redacted(texts[variable.name])
    return texts


def _chosen_examples(spec: PromptSpec, question: str, likeness: Likeness) -> list[PromptExample]:
    if spec.examples_k >= len(spec.examples):
        return list(spec.examples)
    scores = likeness(question, [example.input for example in spec.examples])
    return [spec.examples[place] for place in most_like(scores, spec.examples_k)]


def _material(spec: PromptSpec, contexts: Sequence[ContextPiece]) -> str:
    if len(contexts) > PIECES_MAX or sum(len(c.text) + len(c.title) for c in contexts) > (
        PIECE_CHARACTERS
    ):
        raise PromptInvalid(prompt=spec.name, part="context", problem="is too much")
    return fragment_text(MATERIAL, {"material": fenced(contexts)})


def _response_format(spec: PromptSpec) -> str:
    # A model that is held to a schema from its first token cannot think aloud before it.
    if not spec.output_schema or spec.think_first:
        return ""
    name = spec.name.replace(".", "_")[:64]
    schema = {"name": name, "schema": json.loads(spec.output_schema)}
    return json.dumps({"type": "json_schema", "json_schema": schema}, ensure_ascii=False)
