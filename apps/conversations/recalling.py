"""What memory gives to a prompt: what always stands there, and everything or what fits best.

While all memories together are little, all are given and none is searched for: no search is as
good as having read everything. What was said in other conversations is always searched for.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from apps.accounts.permissions import MEMORY_READ
from apps.conversations.contracts import ClaimedTurn
from apps.core.errors import KarenError
from apps.memory import selectors as memory
from apps.memory.contracts import (
    Always,
    PersonProfile,
    ProfileEntry,
    RecalledKind,
    RecalledMemory,
    RecallFilters,
)
from apps.memory.recall import recall

TokensOf = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A memory, or something that was said, for a prompt.

    Attributes:
        score: How well it fits; None for what nobody searched for.
        was_said: It is a message word for word, not a memory.
        label: Who said it when: without it nobody knows which day "yesterday" was.
    """

    id: UUID
    text: str
    why: str
    score: float | None = None
    was_said: bool = False
    label: str = ""


@dataclass(slots=True, kw_only=True)
class FromMemory:
    """What memory gives, each the best first.

    Attributes:
        pinned: What the person wants in every prompt.
        standing: How the person wants to be answered.
        profile: Who the person is; where everything fits, everything else as well.
        found: What fits the question.
        error: Why memory was not asked, or not to the end.
    """

    pinned: list[Given] = field(default_factory=list)
    standing: list[Given] = field(default_factory=list)
    profile: list[Given] = field(default_factory=list)
    found: list[Given] = field(default_factory=list)
    error: KarenError | DatabaseError | None = None


def withheld(claimed: ClaimedTurn) -> str | None:
    """Return why memory gives nothing: in words, empty where nobody has to be told.

    What is remembered about one person is not put before others, so a conversation with several
    people does without.

    Returns:
        None where memory may be read.
    """
    if claimed.requester_id is None or claimed.temporary or not claimed.settings.memory_enabled:
        return ""
    given = claimed.settings.permissions
    if given is not None and MEMORY_READ not in given:  # an answer tells what it was told
        return "memory: not permitted"
    return "memory: off where several people talk" if claimed.shared else None


def from_memory(
    claimed: ClaimedTurn, *, is_whole: bool, tokens_of: TokensOf, room: Callable[[int], int]
) -> FromMemory:
    """Return what memory gives to a prompt; what is not there yet is done without.

    Args:
        claimed: The turn; memory is not `withheld` from it.
        is_whole: The prompt holds all of the thread, so that nothing has to be said again of it.
        tokens_of: What a text costs.
        room: Tokens that the profile has beside so many of pins and standing instructions.
    """
    given = FromMemory()
    if claimed.requester_id is None:
        return given
    reading = _Reading(
        subject_id=claimed.requester_id,
        elsewhere_than=claimed.conversation_id if is_whole else None,
        shown=frozenset(message.id for message in claimed.history if is_whole),
        tokens_of=tokens_of,
    )
    try:
        profile = memory.read_profile(
            subject_id=reading.subject_id,
            everything_tokens=settings.CHAT_CONTEXT_EVERYTHING,
            except_conversation_id=reading.elsewhere_than,
        )
        rest = _choose(given, profile, reading, room)
        given.profile += rest or ()
        given.found = _searched(
            profile,
            reading,
            claimed,
            with_memories=rest is None,
            known={each.id for each in (*given.pinned, *given.standing, *given.profile)},
        )
    except (KarenError, DatabaseError) as error:
        given.error = error
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Whose memory is read.

    Attributes:
        elsewhere_than: The conversation of which nothing is searched for.
        shown: Messages that the prompt has anyway.
    """

    subject_id: UUID
    elsewhere_than: UUID | None
    shown: frozenset[UUID]
    tokens_of: TokensOf

    def unshown(self, entries: Iterable[ProfileEntry]) -> list[ProfileEntry]:
        """Return what the thread does not say itself.

        So the beginning of the prompt stays as it was while the person tells more of themselves,
        and caches keep it.
        """
        return [
            each
            for each in entries
            if not each.source_message_ids or not self.shown.issuperset(each.source_message_ids)
        ]

    def cost(self, several: Iterable[Given | ProfileEntry]) -> int:
        """Return the tokens of some texts."""
        return sum(self.tokens_of(each.text) for each in several)

    def within(self, entries: Iterable[ProfileEntry], tokens: int) -> list[ProfileEntry]:
        """Return the first that fit together; one that does not leaves its place to others."""
        chosen: list[ProfileEntry] = []
        for each in entries:
            cost = self.tokens_of(each.text)
            if cost <= tokens:
                tokens -= cost
                chosen.append(each)
        return chosen


def _choose(
    given: FromMemory, profile: PersonProfile, reading: _Reading, room: Callable[[int], int]
) -> list[Given] | None:
    """Fill in what always stands in the prompt.

    Returns:
        All other memories, where they fit beside it; None where they have to be searched.
    """
    given.pinned = [_given(each, Always.PINNED) for each in reversed(profile.pinned)]
    standing = reading.within(profile.standing, settings.CHAT_CONTEXT_STANDING)
    given.standing = [_given(each, Always.STANDING) for each in standing]
    facts = reading.within(reading.unshown(profile.facts), settings.CHAT_CONTEXT_PROFILE)
    given.profile = [_given(each, Always.PROFILE) for each in facts]
    if profile.everything is None:
        return None
    known = {each.id for each in (*given.pinned, *given.standing, *given.profile)}
    rest = [each for each in reading.unshown(profile.everything) if each.id not in known]
    beside = reading.cost(given.pinned) + reading.cost(given.standing)
    if reading.cost(facts) + reading.cost(rest) > room(beside):
        return None
    return [_given(each, Always.EVERYTHING) for each in rest]


def _searched(
    profile: PersonProfile,
    reading: _Reading,
    claimed: ClaimedTurn,
    *,
    with_memories: bool,
    known: Collection[UUID],
) -> list[Given]:
    """Return what fits the question best; asks nobody where there is nothing to find.

    Raises:
        RecallUnavailable: The search could not be done.
    """
    if not profile.has_said and not (with_memories and profile.memory_count):
        return []
    most = settings.CHAT_CONTEXT_MEMORIES
    recalled = recall(
        query=claimed.history[-1].text,
        subject_id=reading.subject_id,
        k=most + (len(known) if with_memories else 0),
        is_sensitive=claimed.settings.is_sensitive,
        filters=RecallFilters(
            with_memories=with_memories, except_conversation_id=reading.elsewhere_than
        ),
    )
    found: list[Given] = []
    for each in recalled:
        # What is known stays among them: the packing says it once, wherever there is room for it.
        most -= each.id not in known
        if most < 0:
            break
        found.append(_recalled(each))
    return found


def _recalled(found: RecalledMemory) -> Given:
    label = ""
    if found.kind is RecalledKind.SAID and found.said_at is not None:
        label = f"{found.speaker or 'somebody'}, {found.said_at:%-d %B %Y}: "
    return Given(
        id=found.id,
        text=found.text,
        why=found.why,
        score=found.score,
        was_said=found.kind is RecalledKind.SAID,
        label=label,
    )


def _given(entry: ProfileEntry, why: Always) -> Given:
    return Given(id=entry.id, text=entry.text, why=why.value)
