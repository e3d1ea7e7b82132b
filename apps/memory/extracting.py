"""Having a model read what can be learnt, where one is able; whatever fails is left to the rules.

A model is believed only where the sentence it quotes stands in the message, so it can neither
invent a fact nor be talked into one that nobody said. Small models of this installation are not
asked: the rules read better than they do.
"""

import asyncio
import json
from contextlib import aclosing
from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apps.core import scope
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.task import remaining_s
from apps.memory.contracts import MemoryKind, Namespace
from apps.memory.domain import weighing
from apps.memory.domain.clauses import clauses_in, written_out
from apps.memory.domain.extraction import Candidate
from apps.memory.domain.happenings import changes_plans
from apps.memory.domain.slots import SELF, VALUE_MAX, Holds, plain_value, slot_of
from apps.memory.domain.texts import cleaned
from apps.memory.prompts import READ
from apps.memory.secrets import secret_in
from apps.providers import gateway, selectors as providers
from apps.providers.contracts import Flow, ModelInfo, ModelRequest, Origin, TextDelta
from apps.providers.errors import ProviderTimeout
from apps.providers.registry import RenderedPrompt
from apps.providers.services.experiments import note_prompt_outcome
from apps.providers.services.rendering import prompt_answer, render_prompt

logger = get_logger(__name__)

_ANSWER_TOKENS = 1_200
_MOST_S = 45.0
_RESERVE_S = 15.0
_PER_MESSAGE = 12
_ABOUT = r"^[a-z][a-zé-]{1,30}(?::[\w .'-]{1,60})?$"
_ATTRIBUTE = r"^(?:[a-z][a-z -]{1,30}(?::[^\n]{1,80})?)?$"


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str = Field(min_length=4, max_length=240)
    kind: MemoryKind
    about: str = Field(pattern=_ABOUT)
    attribute: str = Field(pattern=_ATTRIBUTE)
    value: str = Field(max_length=VALUE_MAX)
    holds: Holds
    since: date | None = None
    until: date | None = None
    quote: str = Field(min_length=4)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    memories: tuple[_Read, ...] = Field(max_length=_PER_MESSAGE)


def model_candidates(*, subject_id: UUID, text: str, said_on: date) -> list[Candidate] | None:
    """Return what a model reads in a message; None where none is able, or it fails. Blocking.

    Args:
        subject_id: Whose memory; they pay.
        text: What the person said, without secrets.
        said_on: The day on which they did.
    """
    if not any(not clause.asks for clause in clauses_in(text)):
        return None  # nothing is stated, which the rules know for nothing
    try:
        model = _able_model(subject_id)
        if model is None:
            return None
        prompt = render_prompt(
            READ, {"today": said_on.isoformat(), "said": text}, subject=str(subject_id)
        )
        written = run_async(_written(model, prompt, subject_id))
    except KarenError as error:
        logger.info("memory.not_read_by_model", reason=error.code)
        return None
    found = _candidates(prompt_answer(prompt, written), text)
    note_prompt_outcome(prompt, passed=found is not None)
    return found


def _able_model(subject_id: UUID) -> ModelInfo | None:
    question = providers.question_of(
        Flow.MEMORY_EXTRACTION,
        subject=subject_id.hex,
        user_id=subject_id,
    )
    model = providers.choose_route(model=None, question=question).model
    able = model.supports_formats and not model.scripted and not model.in_process
    return model if able else None


async def _written(model: ModelInfo, prompt: RenderedPrompt, subject_id: UUID) -> str:
    request = ModelRequest(
        model=model.id,
        messages=prompt.messages,
        max_tokens=_ANSWER_TOKENS,
        temperature=0.0,
        partition=f"{scope.require().id}:memory:{subject_id}",
        response_format=prompt.response_format,
    )
    origin = Origin(user_id=subject_id)
    stream = gateway.stream(flow=Flow.MEMORY_EXTRACTION, request=request, origin=origin)
    try:
        async with (
            asyncio.timeout(max(min(_MOST_S, remaining_s() - _RESERVE_S), 0)),
            aclosing(stream) as events,
        ):
            pieces = [event.text async for event in events if isinstance(event, TextDelta)]
    except TimeoutError as error:
        raise ProviderTimeout from error
    return "".join(pieces)


def _candidates(written: str, text: str) -> list[Candidate] | None:
    """Return what the answer says and the message bears out; None for no answer at all."""
    try:
        answer = _Answer.model_validate(json.loads(written))
    except (ValueError, RecursionError, ValidationError):
        return None
    said = written_out(text).casefold()
    return [
        _candidate(read)
        for read in answer.memories
        if written_out(read.quote).casefold() in said
        and not secret_in(read.text)
        and "left out]" not in read.text
    ]


def _candidate(read: _Read) -> Candidate:
    weight = read.attribute.partition(":")[0]
    about = read.about.casefold()
    replaces = ""
    if weight == "plan" and changes_plans(read.quote):
        family = read.attribute.partition(":")[2].split()[:1]
        replaces = slot_of(about, f"plan:{''.join(family)} ") if family else ""
    text = cleaned(read.text)
    return Candidate(
        text=f"{text[:1].upper()}{text[1:]}".rstrip(" .") + ".",
        kind=read.kind,
        quote=read.quote.strip(),
        slot=slot_of(about, read.attribute),
        value=plain_value(read.value),
        holds=read.holds,
        importance=weighing.importance_of(weight, holds=read.holds, told=False),
        confidence=weighing.confidence_of(read.quote, confirmed=False, about_self=about == SELF),
        namespace=Namespace.PERSISTENT if weight in weighing.LASTING else Namespace.LONG_TERM,
        since=read.since,
        until=read.until,
        replaces=replaces,
    )
