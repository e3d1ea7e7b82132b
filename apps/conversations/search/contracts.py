"""Shapes of search: what is asked, what is found."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from apps.providers.contracts import Role

LIMIT_DEFAULT = 20
LIMIT_MAX = 50
TEXT_MAX = 500  # characters of a query; more says nothing that fewer do not


class Match(StrEnum):
    """Why something was found."""

    WORDS = "words"
    TYPO = "typo"
    MEANING = "meaning"
    TITLE = "title"
    NEWEST = "newest"  # nothing was asked for but filters


class Part(StrEnum):
    """What of search can be missing."""

    ELASTICSEARCH = "elasticsearch"
    WORDS = "words"
    MEANING = "meaning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What found messages must be like.

    Attributes:
        conversation_id: Only this conversation.
        outside: Anywhere but in this conversation.
        author_id: Only messages that this person wrote.
        role: Only messages of this role; titles have none.
        model: Only answers of this model.
        has_file: Only messages with, or without, a file.
        since: Not older than this.
        before: Older than this.
        pinned: Only in conversations that are, or are not, pinned.
        archived: Only in conversations that are, or are not, archived.
        folder_id: Only in conversations of this folder.
        tag: Only in conversations with this tag.
        unmarked: Not in conversations that are marked as sensitive.
    """

    conversation_id: UUID | None = None
    outside: UUID | None = None
    author_id: UUID | None = None
    role: Role | None = None
    model: str | None = None
    has_file: bool | None = None
    since: datetime | None = None
    before: datetime | None = None
    pinned: bool | None = None
    archived: bool | None = None
    folder_id: UUID | None = None
    tag: str | None = None
    unmarked: bool = False

    @property
    def about_conversations(self) -> bool:
        """Whether only some of the visible conversations are looked into."""
        flags = self.pinned is not None or self.archived is not None
        return bool(flags or self.folder_id or self.tag)

    @property
    def about_messages(self) -> bool:
        """Whether only messages can match, no titles."""
        return bool(self.author_id or self.role or self.model or self.has_file is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What somebody looks for.

    Attributes:
        text: Words, "phrases" and -exclusions; empty means the newest messages.
        filters: What found messages must be like.
        limit: Most hits on a page, 1 to `LIMIT_MAX`.
        cursor: `next_cursor` of the page before.
        spelling: Whether other spellings are tried where little is found.
        is_sensitive: The text goes to no embedding model outside this installation.
    """

    text: str = ""
    filters: Filters = Filters()
    limit: int = LIMIT_DEFAULT
    cursor: str | None = None
    spelling: bool = True
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A piece of a snippet's plain text; `marked` where it is why the hit was found."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """Something found, with what is needed to go there.

    Attributes:
        conversation_id: Where it is.
        message_id: The message to jump to; None when the conversation's title was found.
        title: The conversation's title.
        role: Who wrote the message; None for a title.
        model: The model of an answer.
        author_id: The person who wrote the message, if a person did.
        has_file: Whether the message carries a file.
        created_at: When the message was written, or the conversation begun.
        fragments: A snippet around what was found; joined they are its text.
        score: Comparable within one answer only; higher is better.
        matched: Why it was found, most important first.
    """

    conversation_id: UUID
    message_id: UUID | None
    title: str
    role: Role | None
    model: str
    author_id: UUID | None
    has_file: bool
    created_at: datetime
    fragments: tuple[Fragment, ...]
    score: float
    matched: tuple[Match, ...]

    @property
    def snippet(self) -> str:
        """The fragments' text."""
        return "".join(fragment.text for fragment in self.fragments)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """One page of what was found, best first; newest first without a text.

    Attributes:
        hits: What was found.
        next_cursor: Where the next page begins; None on the last.
        missing: Parts of search that could not be asked this time; the rest answered.
        corrections: What mistyped words were taken for, in the order they were asked.
    """

    hits: tuple[SearchHit, ...]
    next_cursor: str | None = None
    missing: tuple[Part, ...] = ()
    corrections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An index row that one way of searching found.

    Attributes:
        entry_id: The message's id, or the conversation's for a title.
        score: By that way's own measure; only its order counts.
    """

    entry_id: UUID
    score: float
