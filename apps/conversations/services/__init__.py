"""What changes conversations: messages, turns, conversations themselves."""

from apps.conversations.services.conversations import (
    delete_conversation as delete_conversation,
    rename_conversation as rename_conversation,
    start_conversation as start_conversation,
)
from apps.conversations.services.messages import send_message as send_message
from apps.conversations.services.turns import cancel_turn as cancel_turn
