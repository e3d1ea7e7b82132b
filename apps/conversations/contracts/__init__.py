"""Shapes of the chat: what edges pass in, what the stages pass on, what clients receive.

One source for WebSocket, REST, SSE and the event stream. Evolution is additive: fields are added
with defaults, never renamed or removed; clients ignore what they do not know.
"""

from apps.conversations.contracts.events import (
    TERMINAL_KINDS as TERMINAL_KINDS,
    CancelledEvent as CancelledEvent,
    DeltaEvent as DeltaEvent,
    DoneEvent as DoneEvent,
    ErrorEvent as ErrorEvent,
    InterruptedEvent as InterruptedEvent,
    ReasoningEvent as ReasoningEvent,
    RetryingEvent as RetryingEvent,
    SnapshotEvent as SnapshotEvent,
    StartEvent as StartEvent,
    ToolEvent as ToolEvent,
    TurnEvent as TurnEvent,
    UsageEvent as UsageEvent,
    turn_events as turn_events,
)
from apps.conversations.contracts.features import (
    BULK_MAX as BULK_MAX,
    Audience as Audience,
    BulkAction as BulkAction,
    BulkChange as BulkChange,
    BulkResult as BulkResult,
    CommandView as CommandView,
    ImportedItem as ImportedItem,
    ImportState as ImportState,
    ImportView as ImportView,
    ParticipantView as ParticipantView,
    PersonaFields as PersonaFields,
    PersonaOrigin as PersonaOrigin,
    PersonaView as PersonaView,
    PersonView as PersonView,
    SharedMessage as SharedMessage,
    SharedView as SharedView,
    ShareView as ShareView,
    Snapshot as Snapshot,
)
from apps.conversations.contracts.frames import (
    AckFrame as AckFrame,
    ClientFrame as ClientFrame,
    ContinueFrame as ContinueFrame,
    FocusFrame as FocusFrame,
    FollowFrame as FollowFrame,
    MessageFrame as MessageFrame,
    PingFrame as PingFrame,
    RegenerateFrame as RegenerateFrame,
    StopFrame as StopFrame,
    TypingFrame as TypingFrame,
    WatchFrame as WatchFrame,
    client_frames as client_frames,
)
from apps.conversations.contracts.notices import (
    AttachmentChanged as AttachmentChanged,
    ConversationChanged as ConversationChanged,
    ConversationGone as ConversationGone,
    FoldersChanged as FoldersChanged,
    MessageChanged as MessageChanged,
    Notice as Notice,
    TurnChanged as TurnChanged,
)
from apps.conversations.contracts.parts import (
    AttachmentPart as AttachmentPart,
    MessagePart as MessagePart,
    ReasoningPart as ReasoningPart,
    TextPart as TextPart,
    ToolPart as ToolPart,
    ToolStatus as ToolStatus,
    message_parts as message_parts,
    text_of as text_of,
)
from apps.conversations.contracts.pipeline import (
    BranchMessage as BranchMessage,
    ClaimedTurn as ClaimedTurn,
    Prompt as Prompt,
    TurnOutcome as TurnOutcome,
    TurnSettings as TurnSettings,
)
from apps.conversations.contracts.requests import (
    ATTACHMENTS_PER_MESSAGE as ATTACHMENTS_PER_MESSAGE,
    MODELS_AT_ONCE as MODELS_AT_ONCE,
    AnswerAgain as AnswerAgain,
    ClientMessageId as ClientMessageId,
    ContinueAnswer as ContinueAnswer,
    ConversationOptions as ConversationOptions,
    ModelId as ModelId,
    NewMessage as NewMessage,
    SaidBefore as SaidBefore,
    ThreadMessage as ThreadMessage,
    Transcript as Transcript,
)
from apps.conversations.contracts.states import (
    Delivery as Delivery,
    MessageKind as MessageKind,
    MessageStatus as MessageStatus,
    Mode as Mode,
    SummaryState as SummaryState,
    TurnKind as TurnKind,
    TurnState as TurnState,
)
from apps.conversations.contracts.steps import LedgerEntry as LedgerEntry, StepView as StepView
from apps.conversations.contracts.views import (
    ConversationView as ConversationView,
    FeedbackView as FeedbackView,
    FolderView as FolderView,
    MessageView as MessageView,
    TurnAccepted as TurnAccepted,
    TurnView as TurnView,
)

PROTOCOL_VERSION = 1
