"""What must be true after the fire: a pure comparison of what clients saw with what is stored."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

TERMINAL = frozenset({"completed", "failed", "cancelled", "interrupted"})
STATE_OF_KIND = {
    "done": "completed",
    "error": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}


@dataclass(slots=True, kw_only=True)
class Observed:
    """One message as the client that sent it knows it.

    Attributes:
        slug: The workspace of the client.
        thread: The client's own name of the conversation.
        number: Place of the message in its conversation, from 1.
        client_message_id: Under which it was sent, once or often.
        text: What was sent.
        expected: The answer the model gives to it.
        accepted: The server confirmed it.
        conversation_id: As confirmed.
        turn_id: As confirmed.
        answer: What the client shows at the end.
        state: Kind of the terminal event, or the same as read from the database; empty if none.
        doubled: Events received with an id that was applied before.
        terminals: Terminal events received.
    """

    slug: str
    thread: str
    number: int
    client_message_id: str
    text: str
    expected: str
    accepted: bool = False
    conversation_id: str = ""
    turn_id: str = ""
    answer: str = ""
    state: str = ""
    doubled: int = 0
    terminals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message in a tenant's schema."""

    slug: str
    id: str
    conversation_id: str
    parent_id: str
    role: str
    text: str
    client_message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """A turn in a tenant's schema."""

    slug: str
    id: str
    user_message_id: str
    answer_id: str
    state: str
    attempt: int


COUNTS = (
    "lost_messages",
    "unaccepted_messages",
    "duplicate_messages",
    "duplicate_answers",
    "open_turns",
    "not_completed",
    "text_differs",
    "wrong_answers",
    "order_broken",
    "crossed_tenants",
    "doubled_events",
    "extra_terminals",
)


@dataclass(slots=True)
class Verdict:
    """What was found, by kind; all zero when nothing was lost."""

    counts: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Say whether there is nothing to complain of."""
        return not any(self.counts.values())

    def found(self, kind: str, detail: str, *, count: int = 1) -> None:
        """Note `count` findings of one kind."""
        if count:
            self.counts[kind] += count
            self.details.append(f"{kind}: {detail}")


def check(
    observed: Sequence[Observed],
    messages: Iterable[StoredMessage],
    turns: Iterable[StoredTurn],
) -> Verdict:
    """Compare what clients saw with what the tenants' schemas hold."""
    verdict = Verdict()
    stored = _Stored(messages, turns)
    for each in observed:
        _check_message(each, stored, verdict)
    _check_answers(stored, verdict)
    _check_order(observed, stored, verdict)
    _check_tenants(observed, stored, verdict)
    return verdict


class _Stored:
    def __init__(self, messages: Iterable[StoredMessage], turns: Iterable[StoredTurn]) -> None:
        self.messages = {(m.slug, m.id): m for m in messages}
        self.turns = list(turns)
        self.by_client_id: Mapping[tuple[str, str], list[StoredMessage]] = defaultdict(list)
        self.answers_to: Mapping[tuple[str, str], list[StoredMessage]] = defaultdict(list)
        self.turns_of: Mapping[tuple[str, str], list[StoredTurn]] = defaultdict(list)
        for message in self.messages.values():
            if message.client_message_id:
                self.by_client_id[message.slug, message.client_message_id].append(message)
            if message.role == "assistant":
                self.answers_to[message.slug, message.parent_id].append(message)
        for turn in self.turns:
            self.turns_of[turn.slug, turn.user_message_id].append(turn)


def _check_message(each: Observed, stored: _Stored, verdict: Verdict) -> None:
    name = f"{each.thread}#{each.number}"
    found = stored.by_client_id.get((each.slug, each.client_message_id), [])
    if len(found) > 1:
        verdict.found("duplicate_messages", f"{name} is stored {len(found)} times")
    if not each.accepted:
        verdict.found("unaccepted_messages", name)
        return
    right = [m for m in found if m.conversation_id == each.conversation_id]
    if not right or right[0].text != each.text:
        verdict.found("lost_messages", f"{name} was accepted and is not stored as it was sent")
        return
    verdict.found("doubled_events", name, count=each.doubled)
    verdict.found("extra_terminals", name, count=max(each.terminals - 1, 0))
    turns = stored.turns_of.get((each.slug, right[0].id), [])
    answers = stored.answers_to.get((each.slug, right[0].id), [])
    if len(turns) != 1 or len(answers) != 1:
        return  # counted by `_check_answers`
    if turns[0].state in TERMINAL and STATE_OF_KIND.get(each.state) != turns[0].state:
        shown = each.state or "nothing"
        verdict.found("text_differs", f"{name} is {turns[0].state}, its client shows {shown}")
    elif answers[0].text != each.answer:
        verdict.found("text_differs", f"{name}: {_difference(each.answer, answers[0].text)}")
    if turns[0].state == "completed" and answers[0].text != each.expected:
        difference = _difference(answers[0].text, each.expected)
        verdict.found("wrong_answers", f"{name}: {difference}")


def _difference(one: str, other: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    at = min(len(one), len(other)) if at is None else at
    return f"{len(one)} and {len(other)} characters, differ at {at}: {one[at : at + 20]!r}"


def _check_answers(stored: _Stored, verdict: Verdict) -> None:
    for (slug, identifier), message in stored.messages.items():
        if message.role != "user":
            continue
        answers = len(stored.answers_to.get((slug, identifier), []))
        turns = len(stored.turns_of.get((slug, identifier), []))
        surplus = max(answers, turns) - 1
        verdict.found("duplicate_answers", f"{message.text[:40]!r}", count=max(surplus, 0))
        if min(answers, turns) == 0:
            verdict.found("open_turns", f"{message.text[:40]!r} has no turn or no answer")
    for turn in stored.turns:
        if turn.state not in TERMINAL:
            verdict.found("open_turns", f"turn {turn.id} is {turn.state}, attempt {turn.attempt}")
        elif turn.state != "completed":
            verdict.found("not_completed", f"turn {turn.id} is {turn.state}")


def _check_order(observed: Sequence[Observed], stored: _Stored, verdict: Verdict) -> None:
    """The branch of a conversation must be question, answer, question … in the order of sending."""
    threads: dict[tuple[str, str], list[Observed]] = defaultdict(list)
    for each in observed:
        if each.accepted:
            threads[each.slug, each.thread].append(each)
    for (slug, thread), sent in threads.items():
        parent = ""
        for each in sorted(sent, key=lambda one: one.number):
            found = stored.by_client_id.get((slug, each.client_message_id), [])
            if len(found) != 1:
                break  # counted as lost or doubled
            if found[0].parent_id != parent:
                verdict.found("order_broken", f"{thread}#{each.number} does not follow the last")
                break
            answers = stored.answers_to.get((slug, found[0].id), [])
            parent = answers[0].id if answers else ""


def _check_tenants(observed: Sequence[Observed], stored: _Stored, verdict: Verdict) -> None:
    home = {each.client_message_id: each.slug for each in observed}
    for message in stored.messages.values():
        if message.role == "user" and home.get(message.client_message_id) != message.slug:
            verdict.found("crossed_tenants", f"{message.text[:40]!r} is stored in {message.slug}")
    elsewhere = {(turn.id, turn.slug) for turn in stored.turns}
    slugs = {turn.slug for turn in stored.turns}
    for each in observed:
        if any((each.turn_id, slug) in elsewhere for slug in slugs - {each.slug}):
            verdict.found("crossed_tenants", f"{each.thread}#{each.number} runs elsewhere")
