"""From a parsed command to its reply: known or not, allowed or not, done or refused."""

from django.db import transaction

from apps.conversations.commands.contracts import Command, CommandCall
from apps.conversations.commands.registry import command_names, find_command
from apps.conversations.contracts import NewMessage, TurnAccepted
from apps.conversations.domain.commands import ParsedCommand, near_matches
from apps.conversations.models.conversations import Conversation
from apps.conversations.services.commands import CommandOutcome, answer_command, was_given
from apps.conversations.services.messages import send_message
from apps.core.errors import InvalidInput, KarenError, PermissionDenied
from apps.core.scope import Actor


def run_command(
    *, actor: Actor, message: NewMessage, parsed: ParsedCommand, permission: str
) -> TurnAccepted:
    """Carry out the command that `message` is; an unknown or forbidden one gets a clear reply.

    Raises:
        KarenError: As `send_message`; what the command itself refuses is said in its reply.
    """
    command = find_command(parsed.name)
    if command is not None and command.expand is not None and _may(actor, command):
        question = command.expand(message.conversation_id, parsed.argument)
        if question is not None:
            asked = message.model_copy(update={"text": question.text})
            return send_message(actor=actor, message=asked, permission=permission)

    prepared = None if was_given(actor, message) else _prepared(command, actor, message, parsed)

    def execute(conversation: Conversation) -> CommandOutcome:
        if command is None:
            return CommandOutcome(text=_unknown(parsed.name))
        call = CommandCall(
            actor=actor, conversation=conversation, argument=parsed.argument, prepared=prepared
        )
        return _carried_out(command, call)

    return answer_command(actor=actor, message=message, permission=permission, execute=execute)


def _may(actor: Actor, command: Command) -> bool:
    return not command.permission or actor.may(command.permission)


def _prepared(
    command: Command | None, actor: Actor, message: NewMessage, parsed: ParsedCommand
) -> object:
    """Return what the command needs, or the error with which getting it failed."""
    if command is None or command.prepare is None or not _may(actor, command):
        return None
    try:
        return command.prepare(actor, message, parsed.argument)
    except KarenError as error:
        return error


def _carried_out(command: Command, call: CommandCall) -> CommandOutcome:
    try:
        with transaction.atomic():  # a command that refuses half way leaves nothing behind
            if command.permission:
                call.require(command.permission)
            if isinstance(call.prepared, KarenError):
                raise call.prepared
            reply = command.run(call)
    except KarenError as error:
        call.conversation.refresh_from_db()  # what it set before it refused is not saved later
        if isinstance(error, PermissionDenied):
            return CommandOutcome(text=_forbidden(command, error.permission))
        return CommandOutcome(text=_refused(error))
    return CommandOutcome(
        text=reply.text,
        columns=call.columns,
        messages=call.messages,
        fresh_start=reply.fresh_start,
    )


def _unknown(name: str) -> str:
    near = near_matches(name, command_names())
    meant = f" Did you mean {' or '.join(f'`/{one}`' for one in near)}?" if near else ""
    return (
        f"There is no command `/{name}`.{meant} `/help` lists all commands. To send this as a "
        "message, put a space before the slash."
    )


def _forbidden(command: Command, permission: str | None) -> str:
    needs = f" It needs the permission `{permission}`." if permission else ""
    return f"You may not do this with `/{command.name}`.{needs} Ask an administrator."


def _refused(error: KarenError) -> str:
    if isinstance(error, InvalidInput) and error.fields:
        return " ".join(problem for problems in error.fields.values() for problem in problems)
    return error.message()
