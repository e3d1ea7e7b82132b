"""The personas that every workspace has; what they are told is in `prompts.py`."""

from collections.abc import Mapping

from apps.conversations.contracts import PersonaView

DEFAULT_PERSONA = "karen"

_ALL = (
    PersonaView(
        slug=DEFAULT_PERSONA,
        name="Karen",
        description="The assistant as she is: helpful, brief and honest.",
        instruction="",
    ),
    PersonaView(
        slug="editor",
        name="Editor",
        description="Makes your text clearer and shorter without changing what it says.",
        instruction="",
        temperature=0.2,
    ),
    PersonaView(
        slug="tutor",
        name="Tutor",
        description="Explains step by step, checks what you understood, and lets you find out.",
        instruction="",
        temperature=0.4,
    ),
)

BUILTIN_PERSONAS: Mapping[str, PersonaView] = {persona.slug: persona for persona in _ALL}
