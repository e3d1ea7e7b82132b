"""Filters that say of memories what `apps.web.memory_words` says."""

from django import template

from apps.web import memory_words

register = template.Library()


@register.filter
def kind_name(kind: object) -> str:
    """Return what people call a sort of memory."""
    return str(memory_words.KIND_NAMES.get(str(kind), kind))


@register.filter
def entity_kind(kind: object) -> str:
    """Return what people call what a name names."""
    return str(memory_words.ENTITY_NAMES.get(str(kind), kind))
