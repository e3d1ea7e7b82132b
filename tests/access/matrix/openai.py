"""Below `/v1/`, which no resolver knows."""

from apps.accounts.permissions import CHAT_USER
from tests.access.matrix.rows import DoorRow

_ASK = {"model": "echo/plain", "messages": [{"role": "user", "content": "hello"}]}

DOOR_ROWS = (
    DoorRow(route="chat/completions", demands=CHAT_USER, method="POST", body=_ASK),
    DoorRow(
        route="responses",
        demands=CHAT_USER,
        method="POST",
        body={"model": "echo/plain", "input": "hello"},
    ),
    # No worker answers here: who is let through is told that there is no such model.
    DoorRow(
        route="embeddings",
        demands=CHAT_USER,
        method="POST",
        body={"model": "no/such", "input": "x"},
        success=(404,),
    ),
    DoorRow(route="models", demands=CHAT_USER),
    DoorRow(route="models/*", demands=CHAT_USER, path="models/echo/plain"),
)
