"""Tables of conversations, one file per noun; import from the defining module."""

from apps.conversations.models.conversations import Conversation as Conversation
from apps.conversations.models.messages import Message as Message
from apps.conversations.models.turns import Turn as Turn
from apps.conversations.models.search import (
    MessageIndex as MessageIndex,
    MessageVector as MessageVector,
    SearchExport as SearchExport,
    SearchWord as SearchWord,
)
