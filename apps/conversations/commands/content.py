"""Commands about what was said and is known: pins, search, memory, tools, export, summary, help."""

import json
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db.models import F, Func, JSONField, TextField, Value
from django.db.models.functions import Cast

from apps.accounts.permissions import CHAT_USER, MEMORY_READ, MEMORY_WRITE
from apps.conversations import registry
from apps.conversations.commands.contracts import Command, CommandCall, CommandReply, Question
from apps.conversations.commands.registry import command_names, find_command, list_commands
from apps.conversations.contracts import MessageKind, NewMessage
from apps.conversations.domain.commands import near_matches
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.selectors import (
    BRANCH_LIMIT,
    access_conversation,
    list_branch,
    visible_to,
)
from apps.conversations.services.feedback import set_pin
from apps.core import scope
from apps.core.errors import InvalidInput, PermissionDenied
from apps.core.scope import Actor
from apps.tenants import selectors as tenants

_LISTED = 20
_EXCERPT = 120
_QUERY_MAX = 200


def _help(call: CommandCall) -> CommandReply:
    name = call.argument.lower().removeprefix("/")
    if name:
        command = find_command(name)
        if command is None:
            near = near_matches(name, command_names())
            meant = f" Did you mean `/{near[0]}`?" if near else ""
            raise InvalidInput(f"There is no command `/{name[:64]}`.{meant}")
        needs = f"\n\nIt needs the permission `{command.permission}`." if command.permission else ""
        return CommandReply(text=f"`{command.usage}`\n\n{command.help}{needs}")
    lines = [f"- `{one.usage}` {one.help}" for one in list_commands(call.actor) if one.allowed]
    hint = "A space before the slash sends it as a message."
    return CommandReply(text="\n".join(["You can write:", "", *lines, "", hint]))


def _pin(call: CommandCall) -> CommandReply:
    wanted = call.argument.lower()
    if wanted == "list":
        return _pins(call)
    if wanted not in {"", "remove"}:
        raise InvalidInput("Write `/pin`, `/pin remove` or `/pin list`.")
    message = _last_said(call.conversation)
    if message is None:
        raise InvalidInput("There is nothing to pin yet.")
    changed = set_pin(conversation=call.conversation, message=message, pinned=not wanted)
    if changed:
        call.messages.append(message.pk)
    excerpt = _excerpt(message.text)
    if wanted:
        return CommandReply(text=f"Not pinned any more: {excerpt}")
    return CommandReply(text=f"Pinned, so the assistant always sees it: {excerpt}")


def _pins(call: CommandCall) -> CommandReply:
    pinned = Message.objects.filter(conversation=call.conversation, pinned_at__isnull=False)
    lines = [f"- {_excerpt(message.text)}" for message in pinned.order_by("pinned_at")]
    if not lines:
        return CommandReply(text="Nothing is pinned here.")
    return CommandReply(text="\n".join(["Pinned here:", "", *lines]))


def _last_said(conversation: Conversation) -> Message | None:
    if conversation.leaf_id is None:
        return None
    branch = list_branch(leaf_id=conversation.leaf_id, limit=BRANCH_LIMIT)
    said = (message for message in reversed(branch) if message.kind == MessageKind.CHAT)
    return next((message for message in said if message.text), None)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"


def _found(actor: Actor, _message: NewMessage, argument: str) -> Sequence[registry.FoundMessage]:
    """Search before anything is locked: it may ask a model or another server."""
    if not argument:
        raise InvalidInput("Write what to look for: `/search invoice`.")
    finder = registry.message_finder() or find_own_messages
    return finder(actor, argument[:_QUERY_MAX], _LISTED)


def _search(call: CommandCall) -> CommandReply:
    found = cast("Sequence[registry.FoundMessage]", call.prepared)
    if not found:
        return CommandReply(text="Nothing was found.")
    tenant = scope.require()
    lines = []
    for one in found:
        url = tenants.workspace_url(tenant, f"/chat/{one.conversation_id}/")
        title = one.title.translate(_PLAIN) or "Conversation"
        lines.append(f"- [{title}]({url}): {one.excerpt.translate(_PLAIN)}")
    return CommandReply(text="\n".join(["Found:", "", *lines]))


# What was said is quoted in a list of links: it must not make links of its own.
_PLAIN = str.maketrans({"[": "(", "]": ")", "`": "'", "<": "(", ">": ")", "\n": " "})


def find_own_messages(actor: Actor, text: str, limit: int) -> list[registry.FoundMessage]:
    """Return the newest messages the actor may see that hold `text`, letter case aside.

    A plain look for where no search was registered: no ranking, no other spellings.
    """
    if actor.id is None:
        return []
    said = Func(
        F("parts"),
        Value('$[*] ? (@.type == "text").text'),
        function="jsonb_path_query_array",
        template="%(function)s(%(expressions)s::jsonpath)",
        output_field=JSONField(),
    )
    rows = (
        Message.objects.filter(
            conversation__in=Conversation.objects.filter(visible_to(actor.id)),
            kind=MessageKind.CHAT,
        )
        .annotate(said=Cast(said, TextField()))
        .filter(said__icontains=json.dumps(text, ensure_ascii=False)[1:-1])
        .select_related("conversation")
        .order_by("-id")[:limit]
    )
    return [
        registry.FoundMessage(
            conversation_id=row.conversation_id,
            message_id=row.pk,
            title=row.conversation.title,
            excerpt=_around(row.text, text),
        )
        for row in rows
    ]


def _around(text: str, wanted: str) -> str:
    line = " ".join(text.split())
    at = max(line.lower().find(wanted.lower()) - _EXCERPT // 3, 0)
    return ("…" if at else "") + _excerpt(line[at:])


def _memory_done(actor: Actor, message: NewMessage, argument: str) -> CommandReply:
    """Do what `/memory` says, before anything is locked: memory commits by itself.

    Raises:
        PermissionDenied: The actor may not read or change what is remembered.
        InvalidInput: It is not said what to remember or forget, or the conversation is temporary.
    """
    what, _space, rest = argument.partition(" ")
    what, rest = what.lower(), rest.strip()
    if what not in {"", "list", "remember", "forget"}:
        raise InvalidInput("Write `/memory`, `/memory remember …` or `/memory forget …`.")
    permission = MEMORY_WRITE if what in {"remember", "forget"} else MEMORY_READ
    if not actor.may(permission):
        raise PermissionDenied(permission)
    book = registry.memory_book()
    if book is None:
        return CommandReply(text="Memory is not available here.")
    if what == "remember":
        return _remember(book, actor, message, rest)
    if what == "forget":
        if not rest:
            raise InvalidInput("Write which one: `/memory` lists them with their ids.")
        gone = book.forget(actor=actor, memory_id=rest)
        return CommandReply(text="Forgotten." if gone else "Nothing remembered has this id.")
    lines = [
        f"- `{line.id}` {_excerpt(line.text)}" for line in book.recall(actor=actor, limit=_LISTED)
    ]
    return CommandReply(
        text="\n".join(["Remembered:", "", *lines]) if lines else "Nothing is remembered yet."
    )


def _remember(
    book: registry.MemoryBook, actor: Actor, message: NewMessage, text: str
) -> CommandReply:
    if not text:
        raise InvalidInput("Write what to remember: `/memory remember I prefer tea`.")
    if _is_temporary(actor, message):
        raise InvalidInput("A temporary conversation leaves no trace: nothing is remembered.")
    kept = book.remember(actor=actor, text=text)
    return CommandReply(text=f"Remembered as `{kept}`: {_excerpt(text)}")


def _is_temporary(actor: Actor, message: NewMessage) -> bool:
    if message.conversation_id is None:
        return bool(message.options and message.options.temporary)
    here = access_conversation(
        actor=actor, conversation_id=message.conversation_id, permission=CHAT_USER
    )
    return here.temporary


def _memory(call: CommandCall) -> CommandReply:
    return cast("CommandReply", call.prepared)


def _tools(call: CommandCall) -> CommandReply:
    lister = registry.tool_lister()
    tools = [tool for tool in lister(call.actor) if tool.allowed] if lister else []
    chosen = call.conversation.tools
    lines = [
        f"- `{tool.name}` {tool.title}: {tool.description}"
        for tool in tools
        if chosen is None or tool.name in chosen
    ]
    if not lines:
        return CommandReply(text="No tools are available here.")
    return CommandReply(text="\n".join(["The assistant may use:", "", *lines]))


def _export(call: CommandCall) -> CommandReply:
    path = f"/api/v1/conversations/{call.conversation.pk}/export?format="
    tenant = scope.require()
    markdown = tenants.workspace_url(tenant, path + "markdown")
    whole = tenants.workspace_url(tenant, path + "json")
    return CommandReply(
        text=(
            f"Download this conversation:\n\n- [Markdown]({markdown}): the branch that is shown\n"
            f"- [JSON]({whole}): everything, to be imported again"
        )
    )


def _summarise(conversation_id: UUID | None, argument: str) -> Question | None:
    if conversation_id is None:
        return None
    said = Message.objects.filter(conversation_id=conversation_id, kind=MessageKind.CHAT)
    if not said.exists():
        return None
    focus = f" Pay particular attention to this: {argument}" if argument else ""
    text = (
        "Summarise our conversation so far: the main point in one sentence, then decisions, open "
        f"questions and next steps as short bullet points. Keep names and numbers exact.{focus}"
    )
    return Question(text=text[: settings.CHAT_MESSAGE_MAX_CHARACTERS])


def _nothing_to_summarise(_call: CommandCall) -> CommandReply:
    return CommandReply(text="There is nothing to summarise yet.")


COMMANDS = (
    Command(
        name="help",
        usage="/help [command]",
        help="List the commands, or explain one.",
        run=_help,
    ),
    Command(
        name="pin",
        usage="/pin [remove | list]",
        help="Have the assistant always see the last message; or unpin it, or list the pins.",
        run=_pin,
    ),
    Command(
        name="search",
        usage="/search words",
        help="Look for words in your conversations.",
        permission=CHAT_USER,
        prepare=_found,
        run=_search,
    ),
    Command(
        name="memory",
        usage="/memory [list | remember text | forget id]",
        help="Show, add or remove what the assistant remembers.",
        permission=MEMORY_READ,
        prepare=_memory_done,
        run=_memory,
    ),
    Command(
        name="tools",
        usage="/tools",
        help="List the tools that the assistant may use here.",
        run=_tools,
    ),
    Command(
        name="export",
        usage="/export",
        help="Get links to download this conversation.",
        run=_export,
    ),
    Command(
        name="summarize",
        usage="/summarize [focus]",
        help="Have the assistant summarise this conversation.",
        run=_nothing_to_summarise,
        expand=_summarise,
    ),
)
