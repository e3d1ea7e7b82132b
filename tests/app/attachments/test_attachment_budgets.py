"""How many SQL statements each request for files needs, sessions and memberships included."""

import pytest

from tests.app.attachments.conftest import Desk
from tests.factories import ready_attachment
from tests.fixtures.budgets import Budget
from tests.fixtures.people import People


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/attachments",
        "/api/v1/attachments/{attachment}",
        "/api/v1/attachments/{attachment}/content",
    ],
)
def test_reading(desk: Desk, people: People, budget: Budget, path: str) -> None:
    ids = [ready_attachment(owner_id=people.ann, tenant=desk.tenant) for _ in range(3)]

    with budget(f"GET {path}"):
        answer = desk.client.get(path.format(attachment=ids[0]))
    answer.close()

    assert answer.status_code == 200


def test_uploading_and_deleting(desk: Desk, budget: Budget) -> None:
    with budget("POST /api/v1/attachments"):
        uploaded = desk.upload("a.txt", b"words", client_key="k")
    with budget("DELETE /api/v1/attachments/{attachment}"):
        answer = desk.client.delete(f"/api/v1/attachments/{uploaded['id']}")

    assert answer.status_code == 204
