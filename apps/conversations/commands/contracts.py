"""What a command is: a name, what it needs, and one function."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from apps.conversations.contracts import NewMessage
from apps.conversations.models.conversations import Conversation
from apps.core.errors import PermissionDenied
from apps.core.scope import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall:
    """One command being carried out, inside the transaction that stores it.

    Attributes:
        actor: Who gave it.
        conversation: Where, locked; a command that sets columns on it names them in `columns`.
        argument: What stood after the name, trimmed.
        prepared: What the command's `prepare` returned.
        columns: Columns of the conversation that were set and are saved with the reply.
        messages: Ids of messages that are different now.
    """

    actor: Actor
    conversation: Conversation
    argument: str
    prepared: object = None
    columns: list[str] = field(default_factory=list)
    messages: list[UUID] = field(default_factory=list)

    def require(self, permission: str) -> None:
        """Go on only if the actor holds `permission`; the reply names it otherwise.

        Raises:
            PermissionDenied: The actor does not.
        """
        if not self.actor.may(permission):
            raise PermissionDenied(permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """What the person reads; Markdown.

    Attributes:
        fresh_start: The reply begins a new branch that nothing stands before.
    """

    text: str
    fresh_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the model is asked instead of a reply: it becomes an ordinary message."""

    text: str


Run: TypeAlias = Callable[[CommandCall], CommandReply]
# Who asks, the message and the argument → what `run` needs. Called before the transaction: it may
# be slow, and call services that commit by themselves. Not called for one that was sent before.
Prepare: TypeAlias = Callable[[Actor, NewMessage, str], object]
# Conversation (None for a new one) and argument → the question, or None where there is none.
Expand: TypeAlias = Callable[[UUID | None, str], Question | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that people can give.

    Attributes:
        name: Lower case letters, digits and dashes, without the slash.
        usage: How it is written, such as `/mode [name]`.
        help: One sentence for the slash menu and `/help`.
        permission: What it needs beyond chatting; empty for nothing.
        run: Carries it out; a KarenError it raises becomes its reply.
        prepare: Reads what is slow to get, before anything is locked; a KarenError it raises
            becomes the reply.
        expand: Turns it into a question to the model instead, where there is something to ask.
    """

    name: str
    usage: str
    help: str
    run: Run
    permission: str = ""
    prepare: Prepare | None = None
    expand: Expand | None = None
