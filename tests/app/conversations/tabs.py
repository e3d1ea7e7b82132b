"""An open tab: what it loaded over REST, and what it makes of the notices it receives.

The rules are the ones that `docs/protocol.md` gives to clients, and nothing more.
"""

import json
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.test import Client

from apps.conversations.notices import notices_key
from apps.conversations.stream import FIELD
from apps.core import scope
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import TenantRef

Json = dict[str, Any]


@dataclass(kw_only=True)
class State:
    """What a client knows. Messages and turns are kept under their conversation."""

    conversations: dict[str, Json] = field(default_factory=dict)
    messages: dict[str, dict[str, Json]] = field(default_factory=dict)
    turns: dict[str, dict[str, Json]] = field(default_factory=dict)
    folders: list[Json] = field(default_factory=list)

    def only(self, conversation_ids: set[str]) -> "State":
        """Return the state with the content of these conversations alone."""
        return State(
            conversations=self.conversations,
            messages={key: self.messages.get(key, {}) for key in conversation_ids},
            turns={key: self.turns.get(key, {}) for key in conversation_ids},
            folders=self.folders,
        )


class Tab:
    """One person's tab in one workspace."""

    def __init__(self, client: Client, tenant: TenantRef, person: UUID) -> None:
        self._client = client
        self._tenant = tenant
        self._person = person
        self._cursor = self._newest()
        self._versions: dict[str, int] = {}
        self.state = self.fresh()
        self.loaded = set(self.state.conversations)

    def twin(self) -> "Tab":
        """Return another tab of the same person that shows the same."""
        other = copy(self)
        other.state, other.loaded = deepcopy(self.state), set(self.loaded)
        other._versions = dict(self._versions)
        return other

    def fresh(self) -> State:
        """Return what a tab that is opened now shows."""
        state = State(folders=self._get("/api/v1/folders")["results"])
        state.conversations = {row["id"]: row for row in self._all("/api/v1/conversations")}
        for key in state.conversations:
            rows = self._all(f"/api/v1/conversations/{key}/messages")
            state.messages[key] = {row["id"]: row for row in rows}
            turns = {row["turn_id"] for row in rows if row["turn_id"]}
            state.turns[key] = {turn: self._get(f"/api/v1/turns/{turn}") for turn in turns}
        return state

    def receive(self, *, times: int = 1) -> list[Json]:
        """Apply what came since, each notice `times` times; return the notices."""
        came = self._notices()
        for notice in came:
            for _time in range(times):
                self._apply(notice)
        return came

    def _apply(self, notice: Json) -> None:
        match notice["kind"]:
            case "folders":
                self.state.folders = notice["folders"]
            case "conversation_gone":
                self._forget(notice["conversation_id"])
            case "conversation":
                thing = notice["conversation"]
                if self._is_news(thing["id"], notice):
                    self.state.conversations[thing["id"]] = thing
            case "message" | "turn" as kind:
                thing = notice[kind]
                if self._is_news(thing["id"], notice):
                    book = self.state.messages if kind == "message" else self.state.turns
                    book.setdefault(notice["conversation_id"], {})[thing["id"]] = thing
            case "attachment":
                return  # files are shown by themselves, beside the messages
            case other:
                raise AssertionError(f"a notice that no client knows: {other}")

    def _is_news(self, thing_id: str, notice: Json) -> bool:
        if notice["version"] < self._versions.get(thing_id, 0):
            return False
        self._versions[thing_id] = notice["version"]
        return True

    def _forget(self, conversation_id: str) -> None:
        self.loaded.discard(conversation_id)
        for book in (self.state.conversations, self.state.messages, self.state.turns):
            book.pop(conversation_id, None)

    def _notices(self) -> list[Json]:
        with scope.tenant_scope(self._tenant):
            key = notices_key(self._person)
        entries: Any = redis_client(RedisRole.STREAMS).xrange(key, min=f"({self._cursor}")
        if entries:
            self._cursor = entries[-1][0].decode()
        return [json.loads(fields[FIELD]) for _id, fields in entries]

    def _newest(self) -> str:
        with scope.tenant_scope(self._tenant):
            key = notices_key(self._person)
        entries: Any = redis_client(RedisRole.STREAMS).xrevrange(key, count=1)
        return str(entries[0][0].decode()) if entries else "0-0"

    def _get(self, path: str) -> Json:
        answer = self._client.get(path)
        assert answer.status_code == 200, (path, answer.content)
        body: Json = answer.json()
        return body

    def _all(self, path: str) -> list[Json]:
        rows: list[Json] = []
        cursor = ""
        while True:
            page = self._get(f"{path}?page_size=100{cursor}")
            rows += page["results"]
            if page["next"] is None:
                return rows
            cursor = f"&cursor={page['next']}"
