"""Who may use which address: one row for each route and method, checked by `test_matrix.py`.

A new route gets its row in the module of its area, or the test fails. `route` is the pattern as
Django's resolver spells it; `path` is a concrete address, with `{conversation}`, `{idle}` (a
conversation without a running turn), `{turn}` and `{key}` for objects of acme's owner.
"""

from apps.accounts.permissions import CHAT_USER
from tests.access.matrix.conversations import CONVERSATION_ROWS, EXPORTED, settings_rows
from tests.access.matrix.guardrails import guardrail_rows
from tests.access.matrix.hosts import PLATFORM, both_hosts
from tests.access.matrix.memory import memory_rows
from tests.access.matrix.openai import DOOR_ROWS
from tests.access.matrix.prompts import prompt_rows
from tests.access.matrix.providers import provider_pages, provider_rows
from tests.access.matrix.rows import Access, DoorRow, Host, Row, SocketRow
from tests.access.matrix.usage import usage_rows
from tests.access.matrix.workspaces import WORKSPACE_ROWS

ROWS = (
    *both_hosts(),
    *PLATFORM,
    *WORKSPACE_ROWS,
    *CONVERSATION_ROWS,
    *settings_rows(),
    *provider_rows(),
    *provider_pages(),
    *prompt_rows(),
    *memory_rows(),
    *guardrail_rows(),
    *usage_rows(),
)

SOCKETS = (SocketRow(route="ws/chat/", demands=CHAT_USER),)

__all__ = [
    "DOOR_ROWS",
    "EXPORTED",
    "ROWS",
    "SOCKETS",
    "Access",
    "DoorRow",
    "Host",
    "Row",
    "SocketRow",
]
