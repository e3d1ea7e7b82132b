"""Rendering prompts: the one way to an instruction text for a model."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from uuid import UUID

from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.core.scope import Actor
from apps.providers import registry, selectors
from apps.providers.contracts import Flow, ModelInfo
from apps.providers.domain.composing import without_thinking
from apps.providers.domain.likeness import cosine
from apps.providers.domain.prompt_specs import ContextPiece, PromptValue, RenderedPrompt
from apps.providers.embedding import embed
from apps.providers.errors import PromptInvalid
from apps.providers.prompts.in_force import Chosen, choose
from apps.providers.prompts.reading import find_wording, prompts_owner
from apps.providers.prompts.rendering import fragment_text, lexically, render
from apps.providers.prompts.views import Preview

logger = get_logger(__name__)

_VECTORS_MAX = 2_000
# By the text's hash: questions may hold whole files.
_vectors: "OrderedDict[tuple[str, bytes], Sequence[float]]" = OrderedDict()
_lock = threading.Lock()


def render_prompt(
    name: str,
    values: Mapping[str, PromptValue] | None = None,
    *,
    subject: str = "",
    contexts: Sequence[ContextPiece] = (),
) -> RenderedPrompt:
    """Return the prompt that holds in the workspace in scope, with its values. Blocking.

    Costs no query while nothing was changed, and asks the embedding model only where examples are
    to be chosen.

    Args:
        name: The prompt's name.
        values: One for each variable that is required.
        subject: Whom or what an experiment counts, such as a conversation's id.
        contexts: Material to put in, marked as such.

    Raises:
        PromptNotFound: There is no such prompt.
        PromptValueInvalid: A value does not fit; names the variable.
        PromptInvalid: There is more material than a prompt may have.
    """
    return render(
        choose(name, subject=subject),
        values or {},
        contexts=contexts,
        likeness=likeness_of,
        subject=subject,
    )


def prompt_text(name: str, /, **values: PromptValue) -> str:
    """Return the text of a fragment: what goes into other prompts.

    Raises:
        PromptNotFound: There is no such prompt.
        PromptValueInvalid: A value does not fit; names the variable.
    """
    return fragment_text(name, values)


def prompt_answer(rendered: RenderedPrompt, written: str) -> str:
    """Return what a model answered to a prompt, without the thinking that it was asked for."""
    return without_thinking(written) if rendered.think_first else written


def likeness_of(text: str, others: Sequence[str]) -> Sequence[float]:
    """Return how like each other text is: by meaning, or by words while no model embeds.

    Blocking; what was embedded once is remembered.
    """
    try:
        found = _vectors_of([text, *others])
    except KarenError as error:
        logger.info("prompt.likeness_by_words", reason=error.code)
        return lexically(text, others)
    return [cosine(found[0], vector) for vector in found[1:]]


def prompt_tokens(rendered: RenderedPrompt, model: ModelInfo) -> int:
    """Return what a rendered prompt costs `model` to read; may load its tokenizer."""
    counter = selectors.token_counter(model)
    return sum(counter.count(message.text) + counter.per_message for message in rendered.messages)


def preview_prompt(
    *,
    actor: Actor,
    permission: str,
    name: str,
    number: int | None,
    values: Mapping[str, PromptValue],
    contexts: Sequence[ContextPiece] = (),
    model: str | None = None,
) -> Preview:
    """Return how a version renders and what it would cost; nothing is sent to a model.

    Args:
        actor: Who asks.
        permission: What the edge demands.
        name: The prompt's name.
        number: Which version; None for the one that holds.
        values: One for each variable that is required.
        contexts: Material to put in.
        model: Whose tokens are counted; the default one where None.

    Raises:
        PermissionDenied: The actor lacks the permission.
        PromptNotFound: There is no such prompt or version.
        PromptValueInvalid: A value does not fit; names the variable.
        PromptInvalid: The version does not fit its callers any more.
        ModelNotFound: The model is not configured.
    """
    owner = prompts_owner(actor=actor, permission=permission)
    rendered = render(
        choose(name) if number is None else numbered(owner, name, number),
        values,
        contexts=contexts,
        likeness=likeness_of,
    )
    chosen = selectors.choose_route(model=model).model
    tokens = prompt_tokens(rendered, chosen)
    return Preview(
        name=name,
        version=rendered.version,
        messages=[
            {"role": message.role.value, "text": registry.redacted(message.text)}
            for message in rendered.messages
        ],
        model=chosen.id,
        tokens=tokens,
        exact=selectors.token_counter(chosen).exact,
        context_tokens=chosen.context_tokens,
        fits=tokens < chosen.context_tokens,
    )


def numbered(owner: UUID | None, name: str, number: int) -> Chosen:
    """Return version `number` of a prompt, whatever holds.

    Raises:
        PromptNotFound: There is no such version.
        PromptInvalid: It does not fit its callers any more.
    """
    wording = find_wording(owner=owner, name=name, number=number)
    if wording is None:
        raise PromptInvalid(prompt=name, part=f"version {number}", problem="is outdated")
    return Chosen(wording=wording)


def _vectors_of(texts: Sequence[str]) -> list[Sequence[float]]:
    model = registry.embedder().model
    keys = {text: (model, _digest(text)) for text in texts}
    with _lock:
        found = {text: _vectors[key] for text, key in keys.items() if key in _vectors}
    missing = [text for text in keys if text not in found]
    if missing:
        embeddings = run_async(embed(flow=Flow.EMBED_TEXT, texts=missing))
        made = {text: one.vector for text, one in zip(missing, embeddings, strict=True)}
        found |= made
        with _lock:
            _vectors.update({keys[text]: vector for text, vector in made.items()})
            while len(_vectors) > _VECTORS_MAX:
                _vectors.popitem(last=False)
    return [found[text] for text in texts]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
