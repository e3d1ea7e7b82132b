"""Tables of conversations, one file per noun; import from the defining module."""

from apps.conversations.models.attachments import Attachment as Attachment
from apps.conversations.models.conversations import (
    Conversation as Conversation,
    Folder as Folder,
    Participant as Participant,
)
from apps.conversations.models.messages import Feedback as Feedback, Message as Message
from apps.conversations.models.personas import Persona as Persona
from apps.conversations.models.sharing import Share as Share
from apps.conversations.models.transfer import Import as Import
from apps.conversations.models.steps import TurnStep as TurnStep
from apps.conversations.models.summaries import Summary as Summary
from apps.conversations.models.turns import Turn as Turn
from apps.conversations.models.search import (
    MessageIndex as MessageIndex,
    MessageVector as MessageVector,
    SearchExport as SearchExport,
    SearchWord as SearchWord,
)
