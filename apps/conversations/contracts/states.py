"""The words for where a turn, a message and a delivery stand."""

from enum import StrEnum


class TurnState(StrEnum):
    """Where a turn is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class MessageStatus(StrEnum):
    """Whether a message's text is final, and how it became so."""

    COMPLETE = "complete"
    STREAMING = "streaming"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class TurnKind(StrEnum):
    """What a turn does."""

    ANSWER = "answer"
    REGENERATE = "regenerate"
    CONTINUE = "continue"
    COMMAND = "command"


class MessageKind(StrEnum):
    """What a message is to the assistant: `command` and its reply never reach a model."""

    CHAT = "chat"
    COMMAND = "command"


class Mode(StrEnum):
    """How the assistant approaches its answers in a conversation."""

    DEFAULT = "default"
    ANALYSIS = "analysis"
    SUMMARISATION = "summarisation"
    CODE = "code"
    CREATIVE = "creative"


class Delivery(StrEnum):
    """What becomes of a message that arrives while an answer is being written.

    `queue` waits for its turn, `steer` stops the present answer (its text is kept) and goes next,
    `reject` is refused with `turn_in_progress`.
    """

    QUEUE = "queue"
    STEER = "steer"
    REJECT = "reject"


class SummaryState(StrEnum):
    """How things stand with the summary of a branch when a prompt is assembled.

    `none`: everything fits. `used`: it replaces the beginning. `wanted`: the thread is too long and
    a (further) summary will be written. `no_model`: the thread is cut, because the model cannot
    write summaries. `off`: it is cut, because the operator switched summaries off.
    """

    NONE = "none"
    USED = "used"
    WANTED = "wanted"
    NO_MODEL = "no_model"
    OFF = "off"
