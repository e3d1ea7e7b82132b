"""Files travel with the message that names them, through the edges."""

from typing import Any

from apps.core.ids import new_id
from tests.app.attachments.conftest import Desk, DeskOf
from tests.fixtures.people import People


def _send(desk: Desk, *ids: str, text: str = "look", **more: Any) -> Any:
    body = {
        "text": text,
        "client_message_id": new_id().hex,
        "model": "echo/plain",
        "attachments": list(ids),
        **more,
    }
    return desk.client.post("/api/v1/turns", body, content_type="application/json")


def _first_message(desk: Desk, accepted: dict[str, Any]) -> dict[str, Any]:
    answer = desk.client.get(f"/api/v1/conversations/{accepted['conversation_id']}/messages")
    found: dict[str, Any] = answer.json()["results"][-1]
    return found


def test_a_message_is_sent_with_its_files(desk: Desk) -> None:
    file = desk.upload("plan.txt", b"the plan")

    accepted = _send(desk, file["id"])

    assert accepted.status_code == 202, accepted.content
    message = _first_message(desk, accepted.json())
    assert [part["type"] for part in message["parts"]] == ["text", "attachment"]
    assert message["parts"][1]["name"] == "plan.txt"
    assert desk.look(file["id"])["message_id"] == message["id"]


def test_a_file_needs_no_words(desk: Desk) -> None:
    file = desk.upload("plan.txt", b"the plan")

    accepted = _send(desk, file["id"], text="")

    assert accepted.status_code == 202, accepted.content
    assert [p["type"] for p in _first_message(desk, accepted.json())["parts"]] == ["attachment"]


def test_somebody_elses_file_stops_the_whole_message(
    desk: Desk, desk_of: DeskOf, people: People
) -> None:
    theirs = desk_of(people.bea, desk.tenant).upload("hers.txt", b"private")

    refused = _send(desk, theirs["id"])

    assert refused.status_code == 404
    assert refused.json()["error"]["type"] == "attachment_not_found"
    assert desk.client.get("/api/v1/conversations").json()["results"] == []


def test_an_edited_message_keeps_its_files(desk: Desk) -> None:
    file = desk.upload("plan.txt", b"the plan")
    accepted = _send(desk, file["id"]).json()

    edited = desk.client.post(
        f"/api/v1/conversations/{accepted['conversation_id']}/messages",
        {
            "text": "look again",
            "client_message_id": "edit",
            "model": "echo/plain",
            "edit_of": accepted["message_id"],
            "attachments": [file["id"]],
        },
        content_type="application/json",
    )

    assert edited.status_code == 202, edited.content


def test_the_files_of_a_deleted_conversation_are_gone(desk: Desk) -> None:
    file = desk.upload("plan.txt", b"the plan")
    accepted = _send(desk, file["id"]).json()

    gone = desk.client.delete(f"/api/v1/conversations/{accepted['conversation_id']}")

    assert gone.status_code == 204
    assert desk.client.get(f"/api/v1/attachments/{file['id']}").status_code == 404
