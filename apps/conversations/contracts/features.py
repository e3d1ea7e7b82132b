"""What the features around a conversation take and return: personas, shares, people, transfer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from apps.core.envelope import ErrorBody

BULK_MAX = 200


class BulkAction(StrEnum):
    """What is done to each of several conversations."""

    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    PIN = "pin"
    UNPIN = "unpin"
    DELETE = "delete"
    MOVE = "move"
    TAG = "tag"
    UNTAG = "untag"


class BulkChange(BaseModel):
    """One action for at most `BULK_MAX` conversations.

    Attributes:
        folder_id: Where `move` puts them; null takes them out of their folder.
        tag: What `tag` adds and `untag` removes.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    ids: tuple[UUID, ...] = Field(min_length=1, max_length=BULK_MAX)
    action: BulkAction
    folder_id: UUID | None = None
    tag: str = Field(default="", max_length=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """What became of one conversation of a `BulkChange`."""

    id: UUID
    done: bool
    error: ErrorBody | None = None


class PersonaOrigin(StrEnum):
    """Where a persona comes from, and so who may change it: nobody, an administrator, its owner."""

    BUILTIN = "builtin"
    WORKSPACE = "workspace"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaView:
    """A character the assistant can take on.

    Attributes:
        slug: What `ConversationOptions.persona` and `/persona` call it.
        model: The model it prefers; empty for the installation's choice.
        temperature: None for the mode's.
        tools: Names of the only tools it may use; None for all.
    """

    slug: str
    name: str
    description: str
    instruction: str
    model: str = ""
    temperature: float | None = None
    tools: tuple[str, ...] | None = None
    origin: PersonaOrigin = PersonaOrigin.BUILTIN


class PersonaFields(BaseModel):
    """A persona to make or change; a field that is absent stays as it is.

    Attributes:
        slug: Only when it is made; taken from the name when absent.
        workspace: Only when it is made: for everybody instead of for its maker.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    slug: str | None = Field(default=None, max_length=64, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    name: str | None = Field(default=None, min_length=1, max_length=100)
    description: str | None = Field(default=None, max_length=500)
    instruction: str | None = Field(default=None, max_length=8000)
    model: str | None = Field(default=None, max_length=100)
    temperature: float | None = Field(default=None, ge=0, le=2)
    tools: tuple[str, ...] | None = Field(default=None, max_length=50)
    workspace: bool = False


class Audience(StrEnum):
    """Who may open a share: signed-in members, or everybody who has the link."""

    WORKSPACE = "workspace"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareView:
    """A read-only snapshot that was given away; `url` is known only to whoever just made it."""

    id: UUID
    conversation_id: UUID
    audience: Audience
    title: str
    created_at: datetime
    revoked: bool
    url: str = ""


class SharedMessage(BaseModel):
    """One message of a snapshot: what was said, and by what sort of party."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    author: str
    role: str
    text: str
    model: str = ""
    attachments: tuple[str, ...] = ()
    created_at: datetime


class Snapshot(BaseModel):
    """What a share shows: no addresses, no instructions, nothing of tools or reasoning."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int = 1
    title: str = ""
    messages: tuple[SharedMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedView:
    """A share as its reader sees it."""

    snapshot: Snapshot
    created_at: datetime
    audience: Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """Somebody of the workspace, for choosing people: never their address."""

    id: UUID
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantView:
    """Somebody in a conversation; `role` is `owner` or `participant`."""

    id: UUID
    label: str
    role: str


class ImportState(StrEnum):
    """Where an import stands."""

    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedItem:
    """What became of one conversation of a file; `place` names it there, `problem` says why not."""

    place: str
    title: str
    conversation_id: UUID | None = None
    duplicate: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportView:
    """An import: how many conversations its file has, and what became of those done so far."""

    id: UUID
    state: ImportState
    total: int
    done: int
    imported: int
    duplicates: int
    failed: int
    items: tuple[ImportedItem, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandView:
    """A command for the slash menu; `permission` is what it needs beyond chatting."""

    name: str
    usage: str
    help: str
    permission: str
    allowed: bool
