"""A prompt as messages, in an order that keeps its beginning the same from turn to turn."""

from collections.abc import Mapping, Sequence

from apps.conversations.domain.packing import Assembly, Candidate, Source
from apps.conversations.explanation import Fixed
from apps.conversations.prompts import FACTS, heading_of
from apps.providers.contracts import ChatMessage, Role
from apps.providers.services.rendering import prompt_text

VOLATILE = (Source.ATTACHMENT, Source.PAST, Source.MEMORY)  # other ones for every question


def write_prompt(
    assembly: Assembly, *, fixed: Sequence[Fixed], roles: Mapping[str, Role]
) -> tuple[ChatMessage, ...]:
    """Return the prompt: instructions, pins and summary, profile, thread, facts, question.

    Args:
        assembly: What was chosen.
        fixed: The parts that every prompt has.
        roles: Who wrote the messages of the thread, by the id of their candidate.
    """
    parts = {part.name: part.text for part in fixed}
    # Oldest first: what is new goes to the end and leaves the beginning as it was.
    beginning = parts["system"] + _section(Source.STANDING, _learnt(assembly, Source.STANDING))
    beginning += _section(Source.PIN, assembly.taken(Source.PIN)[::-1])
    for summary in assembly.taken(Source.SUMMARY):
        beginning += f"\n\n{heading_of(Source.SUMMARY)}\n{summary.text}"
    messages = [ChatMessage(role=Role.SYSTEM, text=beginning)]
    # Apart, for guardrails: what is known of somebody is data, whoever got it remembered.
    profile = _section(Source.PROFILE, _learnt(assembly, Source.PROFILE)).lstrip()
    if profile:
        messages.append(ChatMessage(role=Role.SYSTEM, text=profile, retrieved=True))
    messages += [
        ChatMessage(role=roles[candidate.id], text=candidate.text)
        for candidate in reversed(assembly.taken(Source.THREAD))
    ]
    facts = "".join(_section(source, assembly.taken(source)) for source in VOLATILE)
    if facts:
        messages.append(
            ChatMessage(role=Role.SYSTEM, text=prompt_text(FACTS) + facts, retrieved=True)
        )
    messages.append(ChatMessage(role=Role.USER, text=parts["question"]))
    if "prefix" in parts:
        messages.append(ChatMessage(role=Role.ASSISTANT, text=parts["prefix"]))
        messages.append(ChatMessage(role=Role.USER, text=parts["continue"]))
    return tuple(messages)


def _learnt(assembly: Assembly, source: Source) -> list[Candidate]:
    """Return what was taken in the order in which it was learnt, which ids sort by."""
    return sorted(assembly.taken(source), key=lambda candidate: candidate.id)


def _section(source: Source, candidates: Sequence[Candidate]) -> str:
    lines = "".join(f"\n- {candidate.label}{candidate.text}" for candidate in candidates)
    return f"\n\n{heading_of(source)}{lines}" if lines else ""
