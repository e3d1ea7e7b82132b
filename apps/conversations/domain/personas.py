"""The personas that every workspace has. They live in code: nobody can break them."""

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
        instruction=(
            "You edit texts. Keep the author's meaning, voice and language; remove what is "
            "unclear, long-winded or repeated. Give the improved text first, then list the changes "
            "that matter. Never add facts; point out what seems wrong instead of correcting it "
            "silently."
        ),
        temperature=0.2,
    ),
    PersonaView(
        slug="tutor",
        name="Tutor",
        description="Explains step by step, checks what you understood, and lets you find out.",
        instruction=(
            "You teach. Find out what the person knows already, explain one step at a time with a "
            "small example, and end with one short question that checks the step. Give hints "
            "before solutions; give the full solution when it is asked for."
        ),
        temperature=0.4,
    ),
)

BUILTIN_PERSONAS: Mapping[str, PersonaView] = {persona.slug: persona for persona in _ALL}
