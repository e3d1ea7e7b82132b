"""Reading why a prompt was what it was, and how full a conversation is."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.conversations.contracts import TurnState
from apps.conversations.contracts.insight import (
    ContextItem,
    ContextSource,
    Gauge,
    TurnContext,
)
from apps.conversations.explanation import MEMORY
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.routing import choose_models
from apps.conversations.selectors import access_conversation, access_turn, require_owner
from apps.core.scope import Actor
from apps.memory import selectors as memory
from apps.providers import forecasts, usage
from apps.providers.contracts import ModelInfo
from apps.providers.errors import ModelNotFound, NoModelAvailable, RouteRefused

_PREVIEW = 160
_REMEMBERED = 2_000  # characters of what is remembered: a memory is shown whole


def explain_turn(*, actor: Actor, turn_id: UUID, permission: str) -> TurnContext:
    """Return what the model saw and why.

    Texts are looked up now: of messages in this conversation, and of memories that are the
    reader's own; others in the conversation see that there was a memory, not what it says.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist, or is not the actor's to see.
    """
    turn = access_turn(actor=actor, turn_id=turn_id, permission=permission)
    stored: dict[str, Any] | None = turn.context
    if not stored:
        return TurnContext(turn_id=turn.pk, known=False)
    items = stored["items"]
    found = _lookups(turn, require_owner(actor, permission), [item["id"] for item in items])
    return TurnContext(
        turn_id=turn.pk,
        known=True,
        model=stored["model"],
        tokenizer=stored["tokenizer"],
        exact=stored["exact"],
        context_tokens=stored["context_tokens"],
        answer_tokens=stored["answer_tokens"],
        room_tokens=stored["room_tokens"],
        used_tokens=stored["used_tokens"],
        summary=stored["summary"],
        missing=tuple(stored["missing"]),
        digest=stored["digest"],
        sources=tuple(
            ContextSource(source=name, **totals) for name, totals in stored["sources"].items()
        ),
        items=tuple(
            ContextItem(**item, **found.get(item["id"], {}), **_because(item)) for item in items
        ),
    )


def _because(item: dict[str, Any]) -> dict[str, Any]:
    if not item["id"].startswith(MEMORY):
        return {}
    return {"because": memory.reason_in_words(item.get("why", ""))}


def _lookups(turn: Turn, reader: UUID, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what is known now of messages and of what is remembered, by their names."""
    wanted: dict[str, list[UUID]] = {"message": [], "memory": []}
    for name in names:
        kind, _, key = name.partition(":")
        if kind in wanted:
            wanted[kind].append(UUID(key))
    rows = Message.objects.filter(conversation=turn.conversation_id, pk__in=wanted["message"])
    found: dict[str, dict[str, Any]] = {
        f"message:{row.pk}": {"preview": row.text[:_PREVIEW]} for row in rows
    }
    if wanted["memory"]:
        own = memory.list_recalled(subject_id=reader, ids=wanted["memory"])
        found |= {
            f"{MEMORY}{key}": {
                "preview": source.text[:_REMEMBERED],
                "remembered": source.kind,
                "conversation_id": source.conversation_id,
            }
            for key, source in own.items()
        }
    return found


def gauge_of(*, actor: Actor, conversation_id: UUID, permission: str) -> Gauge:
    """Return how full the shown branch of a conversation is.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    turns = Turn.objects.filter(conversation=conversation).order_by()
    counted = list(turns.values_list("id", "prompt_tokens", "completion_tokens"))
    spent = usage.cost_of_turns([turn_id for turn_id, _read, _written in counted])
    last = _last_answered(conversation)
    model = _next_model(conversation)
    used, estimated = None, False
    if last is not None and last.context is not None:
        # The next prompt is this one with its answer behind it.
        used = int(last.context["used_tokens"]) + (last.completion_tokens or 0)
        estimated = not last.context["exact"] or last.completion_tokens is None
    low, high = _next_cost(model, used)
    return Gauge(
        conversation_id=conversation.pk,
        model=model.id if model else "",
        context_tokens=model.context_tokens if model else None,
        used_tokens=used,
        estimated=estimated,
        prompt_tokens_total=sum(read or 0 for _turn, read, _written in counted),
        completion_tokens_total=sum(written or 0 for _turn, _read, written in counted),
        cost=_text(spent.cost),
        unpriced_calls=spent.unpriced_calls,
        next_cost_low=low,
        next_cost_high=high,
    )


def _next_cost(model: ModelInfo | None, used: int | None) -> tuple[str | None, str | None]:
    if model is None or used is None:
        return None, None
    low, high = forecasts.price_range(
        model, prompt_tokens=used, max_tokens=settings.CHAT_MAX_TOKENS
    )
    return _text(low.amount), _text(high.amount)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def _last_answered(conversation: Conversation) -> Turn | None:
    """Return the turn of the shown branch's last answer; while one is written, the one before."""
    of_leaf = Turn.objects.filter(answer=conversation.leaf_id).first()
    if of_leaf is None or of_leaf.context is not None:
        return of_leaf
    ended = Turn.objects.filter(
        conversation=conversation, context__isnull=False, state=TurnState.COMPLETED
    )
    return ended.order_by("-id").first()


def _next_model(conversation: Conversation) -> ModelInfo | None:
    try:
        return choose_models(conversation, names=[conversation.model or None])[0].model
    except (ModelNotFound, NoModelAvailable, RouteRefused):
        return None
