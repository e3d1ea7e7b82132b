"""A desk in a workspace: upload a file, have it read, look at it, all through the REST edge."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from apps.conversations.attachments import chain
from apps.conversations.models.attachments import Attachment
from apps.core import scope
from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One person in one workspace."""

    tenant: TenantRef
    client: Client
    files: Path

    def send(self, name: str, body: bytes, **fields: str) -> Any:
        file = SimpleUploadedFile(name, body, content_type="application/x-claimed")
        return self.client.post("/api/v1/attachments", {"file": file, **fields})

    def upload(self, name: str, body: bytes, **fields: str) -> dict[str, Any]:
        answer = self.send(name, body, **fields)
        assert answer.status_code in {200, 201}, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def run(self, attachment_id: str) -> None:
        """Do what the worker would do next with a file."""
        with scope.tenant_scope(self.tenant), scope.actor_scope(scope.SYSTEM):
            with scope.correlation_scope():
                attempt = Attachment.objects.get(pk=attachment_id).attempt
                chain.process(attachment_id=UUID(attachment_id), attempt=attempt)

    def look(self, attachment_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/attachments/{attachment_id}")
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def read(self, name: str, body: bytes) -> dict[str, Any]:
        """Upload a file, have it read, return how it is then."""
        uploaded = self.upload(name, body)
        self.run(uploaded["id"])
        return self.look(uploaded["id"])

    def text_of(self, attachment_id: str) -> str:
        with scope.tenant_scope(self.tenant):
            return Attachment.objects.get(pk=attachment_id).text

    def content(self, attachment_id: str, what: str = "content", **headers: Any) -> Any:
        """Ask for the bytes and look at the answer's head only."""
        answer = self.client.get(f"/api/v1/attachments/{attachment_id}/{what}", **headers)
        answer.close()
        return answer

    def body(self, attachment_id: str, what: str = "content") -> bytes:
        answer: Any = self.client.get(f"/api/v1/attachments/{attachment_id}/{what}")
        assert answer.status_code == 200, answer.content
        body = b"".join(answer.streaming_content)
        answer.close()
        return body

    def blobs(self) -> list[str]:
        """Return the digests that the workspace stores."""
        root = self.files / str(self.tenant.id)
        return sorted(
            path.name for path in root.rglob("*") if path.is_file() and "incoming" not in path.parts
        )

    def leftovers(self) -> list[Path]:
        """Return what lies where uploads and readers work."""
        return list((self.files / str(self.tenant.id) / "incoming").glob("*"))


DeskOf = Callable[[UUID, TenantRef], Desk]


@pytest.fixture
def files(tmp_path: Path, settings: Settings) -> Path:
    """The store's root, for one test."""
    settings.FILES_ROOT = tmp_path / "files"
    settings.ATTACHMENTS_PER_MINUTE = 1000
    return tmp_path / "files"


@pytest.fixture
def desk_of(files: Path, committed: World, browser_of: BrowserOf) -> DeskOf:
    """Return the desk of a person in a workspace."""

    def of(user_id: UUID, tenant: TenantRef) -> Desk:
        return Desk(tenant=tenant, client=browser_of(user_id, tenant), files=files)

    return of


@pytest.fixture
def desk(desk_of: DeskOf, committed: World, people: People) -> Desk:
    """Ann's desk at acme."""
    return desk_of(people.ann, committed.acme)
