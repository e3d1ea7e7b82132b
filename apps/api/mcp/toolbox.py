"""The tools that other assistants get: remember, recall, forget, list. Knows nothing of the SDK.

A tool checks its arguments, calls one service or selector with the key's owner as the actor, and
returns what clients read as structured content.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.core.scope import Actor
from apps.memory import selectors, services
from apps.memory.contracts import (
    IMPORTANCE_DEFAULT,
    IMPORTANCE_MAX,
    IMPORTANCE_MIN,
    TEXT_MAX,
    MemoryKind,
    MemoryView,
    RecalledKind,
    RecalledMemory,
    RecallFilters,
)
from apps.memory.recall import recall

RECALL_S = 5.0  # another assistant waits longer than a prompt of ours does
RESULTS_DEFAULT, RESULTS_MAX = 10, 50
PAGE_DEFAULT, PAGE_MAX = 50, 200

Kind = Literal["semantic", "episodic", "procedural"]


class Arguments(BaseModel):
    """What a tool takes; anything else is refused, so that a misspelt filter is not ignored."""

    model_config = ConfigDict(extra="forbid")


class RememberArguments(Arguments):
    """What to remember."""

    text: str = Field(
        description=f"One fact, event or procedure in a sentence of its own that can be understood"
        f" without the conversation. At most {TEXT_MAX} characters. Never a password, key or card"
        f" number."
    )
    kind: Kind = Field(
        "semantic",
        description="semantic: a fact or preference; episodic: something that happened;"
        " procedural: how something is done.",
    )
    importance: int = Field(
        IMPORTANCE_DEFAULT, description=f"{IMPORTANCE_MIN} (trifle) to {IMPORTANCE_MAX} (vital)."
    )


class RecallArguments(Arguments):
    """What to look for."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description="What it is about, as a question or in keywords."
    )
    limit: int = Field(RESULTS_DEFAULT, ge=1, le=RESULTS_MAX, description="Most results.")
    memories_only: bool = Field(
        default=False, description="Leave out what was said word for word in conversations."
    )
    since: AwareDatetime | None = Field(
        None, description="Only what was said or true from then on, with a time zone."
    )
    until: AwareDatetime | None = Field(
        None, description="Only what was said or true until then, with a time zone."
    )


class ForgetArguments(Arguments):
    """What to erase."""

    memory_id: UUID = Field(description="The id of a memory, from recall or list_memories.")


class ListArguments(Arguments):
    """Which page."""

    limit: int = Field(PAGE_DEFAULT, ge=1, le=PAGE_MAX, description="Most memories of a page.")
    cursor: UUID | None = Field(None, description="What `next_cursor` of the last page says.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool.

    Attributes:
        permission: What the key must allow.
        arguments: What it takes.
        run: Does it, for an actor; blocking.
        reads_only: It changes nothing but how often memories were used.
        destroys: What it does cannot be undone.
    """

    name: str
    title: str
    description: str
    permission: str
    arguments: type[Arguments]
    run: Callable[[Actor, Any], Mapping[str, Any]]
    reads_only: bool = False
    destroys: bool = False


def _remember(actor: Actor, asked: RememberArguments) -> Mapping[str, Any]:
    done = services.remember(
        actor=actor,
        permission=MEMORY_WRITE,
        text=asked.text,
        kind=MemoryKind(asked.kind),
        importance=asked.importance,
    )
    return {"memory": _memory(done.memory), "created": done.created}


def _recall(actor: Actor, asked: RecallArguments) -> Mapping[str, Any]:
    found = recall(
        query=asked.query,
        subject_id=selectors.require_subject(actor, MEMORY_READ),
        k=asked.limit,
        within_s=RECALL_S,
        filters=RecallFilters(
            with_said=not asked.memories_only, since=asked.since, until=asked.until
        ),
    )
    # They go to a model, as those of a prompt do.
    used = [each.id for each in found if each.kind is RecalledKind.MEMORY]
    services.note_used(memory_ids=used)
    return {"results": [_recalled(each) for each in found]}


def _forget(actor: Actor, asked: ForgetArguments) -> Mapping[str, Any]:
    services.forget(actor=actor, permission=MEMORY_WRITE, memory_id=asked.memory_id)
    return {"forgotten": str(asked.memory_id)}


def _list(actor: Actor, asked: ListArguments) -> Mapping[str, Any]:
    memories, following = selectors.page_of_live_memories(
        actor=actor, permission=MEMORY_READ, before=asked.cursor, limit=asked.limit
    )
    return {
        "memories": [_memory(each) for each in memories],
        "next_cursor": str(following) if following else None,
    }


def _memory(view: MemoryView) -> dict[str, Any]:
    return {
        "id": str(view.id),
        "text": view.text,
        "kind": view.kind.value,
        "importance": view.importance,
        "pinned": view.pinned,
        "created_at": view.created_at.isoformat(),
        "valid_from": view.valid_from.isoformat() if view.valid_from else None,
    }


def _recalled(found: RecalledMemory) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "what": found.kind.value,
        "text": found.text,
        "speaker": found.speaker,
        "at": found.said_at.isoformat() if found.said_at else None,
        "score": found.score,
        "why": found.why,
    }


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            name="remember",
            title="Remember something",
            description="Keep something about the person for later conversations. What is known"
            " already is not kept twice. Secrets are refused.",
            permission=MEMORY_WRITE,
            arguments=RememberArguments,
            run=_remember,
        ),
        Tool(
            name="recall",
            title="Recall what fits",
            description="Find what is remembered about the person, and what they said word for"
            " word, best first, each with the reason why it fits.",
            permission=MEMORY_READ,
            arguments=RecallArguments,
            run=_recall,
            reads_only=True,
        ),
        Tool(
            name="forget",
            title="Forget a memory",
            description="Erase one memory for good, by its id. What was said word for word goes"
            " with its message, not here.",
            permission=MEMORY_WRITE,
            arguments=ForgetArguments,
            run=_forget,
            destroys=True,
        ),
        Tool(
            name="list_memories",
            title="List memories",
            description="List everything that is remembered about the person, newest first, page"
            " by page.",
            permission=MEMORY_READ,
            arguments=ListArguments,
            run=_list,
            reads_only=True,
        ),
    )
}
