"""From rows to the contracts that edges and notices render."""

from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

from apps.conversations.contracts import (
    CancelledEvent,
    ConversationView,
    DoneEvent,
    ErrorEvent,
    FeedbackView,
    InterruptedEvent,
    MessageKind,
    MessagePart,
    MessageStatus,
    MessageView,
    Mode,
    ReasoningPart,
    SnapshotEvent,
    StartEvent,
    TurnEvent,
    TurnKind,
    TurnState,
    TurnView,
    message_parts,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.core.envelope import ErrorBody, error_body
from apps.core.errors import InternalError
from apps.providers.contracts import Role


def _error_of(stored: object) -> ErrorBody | None:
    # Written by `finish_turn` from an ErrorBody; JSON keeps its shape.
    return cast("ErrorBody", stored) if stored is not None else None


def _shown_parts(row: Message) -> tuple[MessagePart, ...]:
    parts = message_parts.validate_python(row.parts)
    if getattr(row, "shows_reasoning", False):
        return parts
    return tuple(part for part in parts if not isinstance(part, ReasoningPart))


def _feedback_of(row: Message) -> FeedbackView | None:
    rating = getattr(row, "my_rating", None)
    if rating is None:
        return None
    return FeedbackView(rating=rating, comment=getattr(row, "my_comment", "") or "")


def participant_ids(row: Conversation) -> tuple[UUID, ...]:
    """Return who takes part besides the owner, of a row of `with_details`."""
    return tuple(getattr(row, "participant_ids", None) or ())


def conversation_view(row: Conversation) -> ConversationView:
    """Map a row of `with_details`."""
    return ConversationView(
        id=row.pk,
        title=row.title,
        model=row.model,
        created_at=row.created_at,
        updated_at=row.updated_at,
        active_turn_id=getattr(row, "active_turn_id", None),
        owner_id=row.owner_id,
        version=row.version,
        leaf_id=row.leaf_id,
        persona=row.persona,
        mode=Mode(row.mode),
        system_instruction=row.system_instruction,
        temperature=row.temperature,
        memory_enabled=row.memory_enabled,
        show_reasoning=row.show_reasoning,
        sensitive=row.sensitive,
        tools=None if row.tools is None else tuple(row.tools),
        folder_id=row.folder_id,
        tags=tuple(row.tags),
        pinned=row.pinned_at is not None,
        archived=row.archived_at is not None,
        temporary=row.temporary,
        participants=participant_ids(row),
    )


def message_views(
    rows: Iterable[Message], *, turn_ids: Mapping[UUID, UUID] | None = None
) -> list[MessageView]:
    """Map rows of `with_turns`, or rows just made with `turn_ids` by their own id."""
    return [
        MessageView(
            id=row.pk,
            parent_id=row.parent_id,
            role=Role(row.role),
            text=row.text,
            status=MessageStatus(row.status),
            turn_id=(turn_ids or {}).get(row.pk) or getattr(row, "of_turn_id", None),
            model=row.model,
            created_at=row.created_at,
            error=_error_of(getattr(row, "turn_error", None)),
            conversation_id=row.conversation_id,
            parts=_shown_parts(row),
            kind=MessageKind(row.kind),
            author_id=row.author_id,
            pinned=row.pinned_at is not None,
            feedback=_feedback_of(row),
            memories_used=getattr(row, "memories_used", None) or 0,
        )
        for row in rows
    ]


def turn_view(turn: Turn) -> TurnView:
    """Map a turn."""
    return TurnView(
        id=turn.pk,
        conversation_id=turn.conversation_id,
        message_id=turn.user_message_id,
        answer_id=turn.answer_id,
        state=TurnState(turn.state),
        attempt=turn.attempt,
        model=turn.model,
        finish_reason=turn.finish_reason,
        error=_error_of(turn.error),
        prompt_tokens=turn.prompt_tokens,
        completion_tokens=turn.completion_tokens,
        usage_estimated=turn.usage_estimated,
        created_at=turn.created_at,
        finished_at=turn.finished_at,
        kind=TurnKind(turn.kind),
        level=turn.level,
        blocked_by=turn.blocked_by_id,
        correlation_id=turn.correlation_id,
    )


def terminal_event(turn: Turn) -> TurnEvent:
    """Return the event that ends the stream of a turn.

    Raises:
        ValueError: It has not ended.
    """
    attempt, answer_id = turn.attempt, turn.answer_id
    match TurnState(turn.state):
        case TurnState.COMPLETED:
            return DoneEvent(
                attempt=attempt, message_id=answer_id, finish_reason=turn.finish_reason
            )
        case TurnState.CANCELLED:
            return CancelledEvent(attempt=attempt, message_id=answer_id)
        case TurnState.INTERRUPTED:
            return InterruptedEvent(attempt=attempt, message_id=answer_id)
        case TurnState.FAILED:
            return ErrorEvent(
                attempt=attempt,
                message_id=answer_id,
                error=turn.error or error_body(InternalError()),
            )
        case TurnState.QUEUED | TurnState.RUNNING | TurnState.RETRYING:
            raise ValueError(f"turn {turn.pk} has not ended")


def replay(turn: Turn) -> tuple[TurnEvent, ...]:
    """Return an ended turn as the events of a whole answer; nothing while it runs."""
    if turn.state in ACTIVE:
        return ()
    start = StartEvent(attempt=turn.attempt, model=turn.model, level=turn.level)
    whole = SnapshotEvent(attempt=turn.attempt, text=turn.answer.text)
    return start, whole, terminal_event(turn)
