"""What changes conversations: messages, turns, conversations themselves."""

from apps.conversations.services.answers import (
    answer_again as answer_again,
    continue_answer as continue_answer,
)
from apps.conversations.services.conversations import (
    configure_conversation as configure_conversation,
    delete_conversation as delete_conversation,
    show_branch as show_branch,
    start_conversation as start_conversation,
)
from apps.conversations.services.messages import (
    find_receipt as find_receipt,
    send_message as send_message,
)
from apps.conversations.services.transcripts import (
    start_from_transcript as start_from_transcript,
)
from apps.conversations.services.turns import cancel_turn as cancel_turn
