"""The chat page: a shell; its modules fetch conversations over REST and speak over WebSocket."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from apps.accounts.permissions import CHAT_USER, MEMORY_READ, TENANT_ADMIN
from apps.conversations import selectors as conversations
from apps.conversations.errors import ConversationNotFound
from apps.core import scope
from apps.core.scope import Actor
from apps.web.access import needs
from apps.web.policy import allow_socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """A suggestion on the empty page; a click writes `prompt` into the message box."""

    title: object
    hint: object
    prompt: object


STARTERS = (
    Starter(
        title=_("Write a message"),
        hint=_("a polite reminder about an invoice"),
        prompt=_("Write a short, friendly reminder about an invoice that is two weeks overdue."),
    ),
    Starter(
        title=_("Explain something"),
        hint=_("how a vaccine works, in plain words"),
        prompt=_("Explain in plain words how a vaccine works."),
    ),
    Starter(
        title=_("Make a plan"),
        hint=_("the first week of a new colleague"),
        prompt=_("Make a plan for the first week of a new colleague."),
    ),
    Starter(
        title=_("Work with text"),
        hint=_("shorten a paragraph you paste"),
        prompt=_("Shorten the following paragraph to two sentences:\n\n"),
    ),
)


@needs(CHAT_USER)
@never_cache
@ensure_csrf_cookie
@require_GET
def chat(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """Show the chat, with a conversation open when the address names one."""
    actor = scope.current_actor()
    if conversation_id is not None:
        _check_conversation(actor, conversation_id)
    person = actor.label
    context = {
        "conversation_id": conversation_id,
        "person": person,
        "first_name": person.split()[0] if person.split() else person,
        "starters": STARTERS,
        "manages": actor.may(TENANT_ADMIN),
        "remembers": actor.may(MEMORY_READ),
        "boot": {
            "conversation_id": conversation_id,
            "max_characters": settings.CHAT_MESSAGE_MAX_CHARACTERS,
        },
    }
    return allow_socket(request, render(request, "web/chat.html", context))


def _check_conversation(actor: Actor, conversation_id: UUID) -> None:
    try:
        conversations.get_conversation_view(
            actor=actor, conversation_id=conversation_id, permission=CHAT_USER
        )
    except ConversationNotFound:
        raise Http404 from None
