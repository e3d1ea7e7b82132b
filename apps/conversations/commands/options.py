"""Commands that configure the conversation: model, persona, mode, instruction, and the reset."""

from apps.accounts.permissions import (
    CHAT_CONFIG_EDIT,
    CHAT_MODE_SWITCH,
    CHAT_PERSONA_CHANGE,
    CHAT_USER,
)
from apps.conversations.commands.contracts import Command, CommandCall, CommandReply
from apps.conversations.contracts import ConversationOptions, Mode
from apps.conversations.domain.commands import near_matches
from apps.conversations.domain.personas import DEFAULT_PERSONA
from apps.conversations.models.conversations import Conversation
from apps.conversations.services.changes import record_change
from apps.conversations.services.options import apply_options
from apps.conversations.services.personas import list_personas, persona_of, preferred_model
from apps.core.errors import InvalidInput
from apps.providers import selectors as providers

_DEFAULT = frozenset({"default", "reset", "none"})


def _apply(call: CommandCall, options: ConversationOptions) -> None:
    columns = apply_options(actor=call.actor, conversation=call.conversation, options=options)
    call.columns.extend(columns)
    record_change("conversation.configured", call.conversation, changed=sorted(columns))


def _unknown(what: str, wanted: str, known: list[str]) -> InvalidInput:
    near = near_matches(wanted.lower(), known)
    meant = f" Did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else ""
    return InvalidInput(f"There is no {what} `{wanted[:64]}`.{meant}")


def _model(call: CommandCall) -> CommandReply:
    models = providers.list_models()
    if not call.argument:
        present = call.conversation.model or preferred_model(call.conversation)
        lines = [f"- `{model.id}` {model.label}" for model in models]
        now_it_is = f"`{present}`" if present else "the default model"
        return CommandReply(
            text="\n".join([f"This conversation uses {now_it_is}. There are:", "", *lines])
        )
    if call.argument.lower() in _DEFAULT:
        _apply(call, ConversationOptions(model=""))
        return CommandReply(text="This conversation uses the default model from now on.")
    ids = [model.id for model in models]
    if call.argument not in ids:
        raise _unknown("model", call.argument, ids)
    _apply(call, ConversationOptions(model=call.argument))
    return CommandReply(text=f"This conversation uses `{call.argument}` from now on.")


def _persona(call: CommandCall) -> CommandReply:
    personas = list_personas(actor=call.actor, permission=CHAT_USER)
    if not call.argument:
        present = persona_of(call.conversation)
        lines = [f"- `{one.slug}` {one.name}: {one.description}" for one in personas]
        return CommandReply(
            text="\n".join([f"The persona here is **{present.name}**. There are:", "", *lines])
        )
    slug = call.argument.lower()
    slug = DEFAULT_PERSONA if slug in _DEFAULT else slug
    chosen = next((one for one in personas if one.slug == slug), None)
    if chosen is None:
        raise _unknown("persona", call.argument, [one.slug for one in personas])
    _apply(call, ConversationOptions(persona=slug))
    return CommandReply(text=f"The persona here is **{chosen.name}** from now on.")


def _mode(call: CommandCall) -> CommandReply:
    modes = [mode.value for mode in Mode]
    if not call.argument:
        listed = ", ".join(f"`{one}`" for one in modes)
        return CommandReply(
            text=f"The mode here is **{call.conversation.mode}**. There are {listed}."
        )
    wanted = call.argument.lower()
    if wanted not in modes:
        raise _unknown("mode", call.argument, modes)
    _apply(call, ConversationOptions(mode=Mode(wanted)))
    return CommandReply(text=f"The mode here is **{wanted}** from now on.")


def _system(call: CommandCall) -> CommandReply:
    if not call.argument:
        text = call.conversation.system_instruction
        if not text:
            return CommandReply(text="This conversation has no instruction of its own.")
        quoted = "\n".join(f"> {line}" for line in text.splitlines())
        return CommandReply(text=f"The instruction of this conversation:\n\n{quoted}")
    if call.argument.lower() in {"clear", *_DEFAULT}:
        _apply(call, ConversationOptions(system_instruction=""))
        return CommandReply(text="This conversation has no instruction of its own any more.")
    if len(call.argument) > 8000:
        raise InvalidInput("An instruction has at most 8000 characters.")
    _apply(call, ConversationOptions(system_instruction=call.argument))
    return CommandReply(text="The assistant follows this instruction from now on.")


def _reset(call: CommandCall) -> CommandReply:
    wanted = call.argument.lower()
    if wanted not in {"", "all", "settings"}:
        raise InvalidInput("Write `/reset`, `/reset settings` or `/reset all`.")
    said = []
    if wanted in {"all", "settings"}:
        _apply(call, _defaults(call.conversation))
        said.append("Model, persona, mode, instruction and temperature are the usual ones again.")
    if wanted in {"", "all"}:
        said.append("The assistant starts afresh. What was said before stays on its own branch.")
    return CommandReply(text=" ".join(said), fresh_start=wanted != "settings")


def _defaults(conversation: Conversation) -> ConversationOptions:
    """Return only what is not as usual already: the rest needs no permission."""
    usual: dict[str, object] = {
        "model": "",
        "persona": "",
        "mode": Mode.DEFAULT,
        "system_instruction": "",
        "temperature": None,
    }
    return ConversationOptions.model_validate(
        {name: value for name, value in usual.items() if getattr(conversation, name) != value}
    )


COMMANDS = (
    Command(
        name="model",
        usage="/model [id | default]",
        help="Show the models, or choose one for this conversation.",
        run=_model,
    ),
    Command(
        name="persona",
        usage="/persona [name | default]",
        help="Show the personas, or choose one for this conversation.",
        permission=CHAT_PERSONA_CHANGE,
        run=_persona,
    ),
    Command(
        name="mode",
        usage="/mode [default | analysis | summarisation | code | creative]",
        help="Show or switch how the assistant approaches its answers.",
        permission=CHAT_MODE_SWITCH,
        run=_mode,
    ),
    Command(
        name="system",
        usage="/system [text | clear]",
        help="Show, set or clear this conversation's own instruction.",
        permission=CHAT_CONFIG_EDIT,
        run=_system,
    ),
    Command(
        name="reset",
        usage="/reset [settings | all]",
        help="Start afresh on a new branch; or set the settings, or both, back to the usual.",
        run=_reset,
    ),
)
