"""Stage 4: what the model gets to see, within its context. Deterministic.

The stable part comes first (instructions, pins, summary, profile, then the thread), what changes
with every question right before it: so that providers' prefix caches and our own KV cache keep the
beginning.
Whatever a source needs may be away; then the prompt does without and its explanation says so.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError

from apps.conversations import metrics, summaries
from apps.conversations.contracts import (
    BranchMessage,
    ClaimedTurn,
    Prompt,
    SummaryState,
    TurnKind,
)
from apps.conversations.counting import count_of
from apps.conversations.domain.packing import (
    Candidate,
    Decision,
    Reason,
    Source,
    Supply,
    assemble,
    estimated_tokens,
)
from apps.conversations.explanation import MEMORY, Fixed, Frame, explain
from apps.conversations.prompts import FACTS, GO_ON, NO_TEXT, heading_of
from apps.conversations.recalling import from_memory, withheld
from apps.conversations.summaries import BranchSummary
from apps.conversations.writing import VOLATILE, write_prompt
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import selectors as providers
from apps.providers.contracts import ChatMessage, ModelInfo, Role, TokenCounter
from apps.providers.services.rendering import prompt_text

logger = get_logger(__name__)

_EXACT, _ESTIMATED = 0.98, 0.85  # of the window; templates and estimates may err
_PREFIX_SHARE = 0.5  # of the window, for what an interrupted answer said already


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A text from elsewhere: a file, an earlier conversation.

    Attributes:
        id: What it is taken from, with its kind in front.
        title: What people call its source.
    """

    id: str
    title: str
    text: str
    score: float | None = None
    why: str = ""


ExcerptSource = Callable[[ClaimedTurn, int], Sequence[Excerpt]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What gives excerpts for a turn within a number of tokens; None for what is not built in.

    Raising `KarenError` or `DatabaseError`, or answering late, costs the prompt the excerpts only.
    """

    attachments: ExcerptSource | None = None
    past: ExcerptSource | None = None


def assemble_prompt(
    claimed: ClaimedTurn,
    *,
    model: ModelInfo,
    system: ChatMessage,
    answer_tokens: int,
    elsewhere: Elsewhere = Elsewhere(),
) -> Prompt:
    """Return what the model is asked, with the explanation of what was taken and what was cut.

    Instructions and question are always there: a question that does not fit alone is refused by
    the model with a clear error instead of being cut silently.

    Args:
        claimed: The turn with its history, the question last.
        model: The model that will answer; its tokenizer counts.
        system: The stable beginning.
        answer_tokens: Tokens kept free for the answer.
        elsewhere: Where excerpts come from.
    """
    started = time.perf_counter()
    integration = _Integration(claimed, model, system, answer_tokens)
    prompt = integration.prompt(elsewhere)
    metrics.context_seconds.observe(time.perf_counter() - started)
    metrics.context_tokens_total.inc(prompt.tokens)
    return prompt


@dataclass(slots=True)
class _Thread:
    """The messages before the question as candidates, newest first, and what replaces the rest."""

    candidates: list[Candidate] = field(default_factory=list)
    is_whole: bool = True
    covered: list[Candidate] = field(default_factory=list)
    summary: BranchSummary | None = None
    state: SummaryState = SummaryState.NONE


class _Integration:
    """One prompt in the making."""

    def __init__(
        self, claimed: ClaimedTurn, model: ModelInfo, system: ChatMessage, answer_tokens: int
    ) -> None:
        self.claimed, self.model = claimed, model
        self.counter: TokenCounter = providers.token_counter(model)
        self.answer_tokens = answer_tokens
        window = int(model.context_tokens * (_EXACT if self.counter.exact else _ESTIMATED))
        self.room = window - answer_tokens
        self.system = system
        self.question = claimed.history[-1]
        self.fixed = self._fixed(int(window * _PREFIX_SHARE))
        self.budget = self.room - sum(part.tokens for part in self.fixed)
        self.missing: list[str] = []
        self.roles: dict[str, Role] = {}

    def _count(self, text: str) -> int:
        return count_of(self.counter, text)

    def _message(self, text: str) -> int:
        return self._count(text) + self.counter.per_message

    def _fixed(self, prefix_tokens: int) -> list[Fixed]:
        """Return the parts that every prompt has, in their order."""
        question = self.question.text or prompt_text(NO_TEXT)
        parts = [
            Fixed(name="system", id="", text=self.system.text, tokens=0),
            Fixed(name="question", id=str(self.question.id), text=question, tokens=0),
        ]
        if self.claimed.kind is TurnKind.CONTINUE and self.claimed.prefix:
            written = self._ending(self.claimed.prefix, prefix_tokens)
            parts += [
                Fixed(name="prefix", id="", text=written, tokens=0),
                Fixed(name="continue", id="", text=prompt_text(GO_ON), tokens=0),
            ]
        return [
            Fixed(name=part.name, id=part.id, text=part.text, tokens=self._message(part.text))
            for part in parts
        ]

    def _ending(self, text: str, tokens: int) -> str:
        """Return as much of the end of a text as fits; where it stopped is what matters."""
        while (needed := self._count(text)) > tokens and text:
            text = text[len(text) - len(text) * max(tokens, 0) // (needed + 1) :]
        return text

    def prompt(self, elsewhere: Elsewhere) -> Prompt:
        """Gather, choose, write."""
        thread = self._thread()
        items = {
            Source.PIN: self._pinned_messages(),
            Source.ATTACHMENT: self._excerpts(Source.ATTACHMENT, elsewhere.attachments),
        }
        is_recalled = self._remember(items, thread)
        # Memory keeps what was said word for word: the search of messages is for who has none.
        if not is_recalled and not self.claimed.temporary:
            items[Source.PAST] = self._excerpts(Source.PAST, elsewhere.past)
        self.budget -= self._headings(source for source, several in items.items() if several)
        if thread.summary is not None:
            found, heading = thread.summary, heading_of(Source.SUMMARY)
            name = f"summary:{found.message_id}"
            items[Source.SUMMARY] = [self._item(name, found.text, heading=heading)]
        supplies = [_supply(Source.THREAD, thread.candidates)]
        supplies += [_supply(source, items.get(source, ())) for source in _AFTER_THREAD]
        assembly = assemble(supplies, budget=self.budget)
        messages = write_prompt(assembly, fixed=self.fixed, roles=self.roles)
        tokens = sum(part.tokens for part in self.fixed) + assembly.used
        tokens += self.room - sum(p.tokens for p in self.fixed) - self.budget  # headings
        frame = Frame(
            model=self.model,
            counter=self.counter,
            answer_tokens=self.answer_tokens,
            room=self.room,
            tokens=tokens,
            fixed=self.fixed,
            summary=thread.state,
            missing=self.missing,
        )
        decisions = [*assembly.decisions, *_covered(thread.covered)]
        left_out = sum(
            not decision.taken
            for decision in assembly.decisions
            if decision.source is Source.THREAD
        )
        return Prompt(
            messages=messages,
            dropped=left_out + len(thread.covered),
            tokens=tokens,
            context=explain(frame, decisions=decisions, messages=messages),
        )

    # -- candidates

    def _item(
        self,
        name: str,
        text: str,
        *,
        score: float | None = None,
        why: str = "",
        heading: str = "",
        label: str = "",
    ) -> Candidate:
        tokens = self._line(label + text) + (self._count(heading) if heading else 0)
        return Candidate(id=name, text=text, tokens=tokens, score=score, why=why, label=label)

    def _pinned_messages(self) -> list[Candidate]:
        return [
            self._item(f"message:{message.id}", message.text, why="pinned")
            for message in reversed(self.claimed.history[:-1])
            if message.pinned and message.text
        ]

    def _line(self, text: str) -> int:
        return self._count(f"- {text}\n")

    def _remember(self, items: dict[Source, list[Candidate]], thread: _Thread) -> bool:
        """Add what memory gives, and say whether something that was said elsewhere is among it."""
        why_not = withheld(self.claimed)
        if why_not is not None:
            self.missing += [why_not] if why_not else []
            return False
        given = from_memory(
            self.claimed,
            is_whole=thread.is_whole,
            tokens_of=self._line,
            room=self._room_for_profile(items, thread),
        )
        if given.error is not None:
            self._lacks("memory", given.error)
        for source, several in (
            (Source.STANDING, given.standing),
            (Source.PROFILE, given.profile),
            (Source.PIN, given.pinned),
            (Source.MEMORY, given.found),
        ):
            items.setdefault(source, []).extend(
                self._item(
                    f"{MEMORY}{each.id}",
                    each.text,
                    score=each.score,
                    why=each.why,
                    label=each.label,
                )
                for each in several
            )
        return any(each.was_said for each in given.found)

    def _room_for_profile(
        self, items: dict[Source, list[Candidate]], thread: _Thread
    ) -> Callable[[int], int]:
        """Return how many tokens of the profile the packing surely takes beside so many others."""
        shares = settings.CHAT_CONTEXT_SHARES
        cap = int(shares[Source.PROFILE.value][1] * self.budget)
        taken = self._headings(Source) + sum(each.tokens for each in thread.candidates)
        taken += sum(each.tokens for several in items.values() for each in several)
        taken += int(shares[Source.MEMORY.value][0] * self.budget)  # what is found comes beside it
        return lambda others: min(cap, self.budget - taken - others)

    def _excerpts(self, source: Source, ask: ExcerptSource | None) -> list[Candidate]:
        if ask is None or self.budget <= 0:
            return []
        _floor, cap = settings.CHAT_CONTEXT_SHARES[source.value]
        try:
            excerpts = ask(self.claimed, int(self.budget * cap))
        except (KarenError, DatabaseError) as error:
            self._lacks(source.value, error)
            return []
        return [
            self._item(each.id, f"[{each.title}] {each.text}", score=each.score, why=each.why)
            for each in excerpts
            if each.text
        ]

    def _lacks(self, source: str, error: Exception) -> None:
        self.missing.append(f"{source}: unavailable")
        metrics.context_missing_total.labels(source).inc()
        logger.warning("context.source_missing", source=source, reason=type(error).__name__)

    def _headings(self, sources: Iterable[Source]) -> int:
        """Return what the headings of the sections cost that there may be."""
        there = set(sources) - {Source.THREAD}
        tokens = sum(self._count(f"\n\n{heading_of(source)}\n") for source in there)
        if there.intersection(VOLATILE):
            tokens += self._message(prompt_text(FACTS))
        if Source.PROFILE in there:
            tokens += self.counter.per_message
        return tokens

    def _thread(self) -> _Thread:
        messages = [message for message in self.claimed.history[:-1] if message.text]
        thread = _Thread(candidates=self._counted(messages))
        above, _below = settings.CHAT_CONTEXT_SUMMARISE
        limit = int(max(self.budget, 0) * above)
        if sum(candidate.tokens for candidate in thread.candidates) <= limit:
            return thread  # while everything fits it is sent as it was said
        thread.is_whole = False
        found = self._summary(messages)
        if found is not None:
            place = next(n for n, m in enumerate(messages) if m.id == found.message_id)
            kept = len(messages) - place - 1
            thread.covered = thread.candidates[kept:]
            thread.candidates = thread.candidates[:kept]
            thread.summary = found
        grown = sum(candidate.tokens for candidate in thread.candidates) > limit
        thread.state = summaries.state_of(model=self.model, grown=grown)
        return thread

    def _summary(self, messages: Sequence[BranchMessage]) -> BranchSummary | None:
        try:
            return summaries.find_deepest(
                conversation_id=self.claimed.conversation_id,
                message_ids=[message.id for message in messages],
            )
        except DatabaseError as error:
            self._lacks("summary", error)
            return None

    def _counted(self, messages: Sequence[BranchMessage]) -> list[Candidate]:
        """Return messages as candidates, newest first; beyond the budget they are estimated."""
        counted: list[Candidate] = []
        left = max(self.budget, 0)
        for message in reversed(messages):
            exact = left >= 0
            tokens = self._message(message.text) if exact else estimated_tokens(message.text)
            left -= tokens
            name = f"message:{message.id}"
            self.roles[name] = message.role
            counted.append(Candidate(id=name, text=message.text, tokens=tokens))
        return counted


# In the order of their priority; the thread comes before all of them.
_AFTER_THREAD = (
    Source.STANDING,
    Source.PROFILE,
    Source.PIN,
    Source.ATTACHMENT,
    Source.PAST,
    Source.MEMORY,
    Source.SUMMARY,
)


def _supply(source: Source, candidates: Sequence[Candidate]) -> Supply:
    floor, cap = settings.CHAT_CONTEXT_SHARES[source.value]
    thread = source is Source.THREAD
    return Supply(
        source=source,
        candidates=candidates,
        floor=floor,
        cap=cap,
        contiguous=thread,
        unique=not thread,
    )


def _covered(candidates: Sequence[Candidate]) -> list[Decision]:
    return [
        Decision(source=Source.THREAD, candidate=candidate, taken=False, reason=Reason.SUMMARISED)
        for candidate in candidates
    ]
