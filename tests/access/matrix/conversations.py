"""Conversations, what is set for them, their turns and their files."""

from collections.abc import Mapping

from apps.accounts.permissions import CHAT_USER
from tests.access.matrix.rows import Host, Row, api

_MESSAGE = {"text": "hello", "client_message_id": "matrix", "model": "echo/plain"}
_ASK_AGAIN = {"client_message_id": "matrix-again", "model": "echo/plain"}
_CONVERSATION = "conversations/<uuid:conversation_id>"
_ONE = "/api/v1/conversations/{conversation}"
EXPORTED: Mapping[str, object] = {
    "format": "karen.conversation",
    "version": 1,
    "messages": [{"id": "a", "role": "user", "text": "hello"}],
}
_FILE = "attachments/<uuid:attachment_id>"
_ONE_FILE = "/api/v1/attachments/{attachment}"

CONVERSATION_ROWS: tuple[Row, ...] = (
    api("search", path="/api/v1/search?q=hello"),
    api("conversations"),
    api("conversations", method="POST", success=(201,)),
    api(_CONVERSATION, path=_ONE),
    api(_CONVERSATION, path=_ONE, method="PATCH", body={"title": "new"}),
    api(_CONVERSATION, path=_ONE, method="DELETE", success=(204,)),
    api(f"{_CONVERSATION}/messages", path=f"{_ONE}/messages"),
    api(
        f"{_CONVERSATION}/messages",
        path="/api/v1/conversations/{idle}/messages",
        method="POST",
        body=_MESSAGE,
        success=(202,),
    ),
    api(
        f"{_CONVERSATION}/branch",
        path=f"{_ONE}/branch",
        method="PUT",
        body={"message_id": "{message}"},
    ),
    api(
        "messages/<uuid:message_id>/regenerate",
        path="/api/v1/messages/{message}/regenerate",
        method="POST",
        body=_ASK_AGAIN,
        success=(202,),
    ),
    api(
        "messages/<uuid:message_id>/continue",
        path="/api/v1/messages/{answer}/continue",
        method="POST",
        body=_ASK_AGAIN,
        success=(202, 409),  # 409: it is still being written
    ),
    api(f"{_CONVERSATION}/gauge", path=f"{_ONE}/gauge"),
    api("turns", method="POST", body=_MESSAGE, success=(202,)),
    api(
        "agui",
        method="POST",
        body={"threadId": "matrix", "runId": "matrix", "messages": []},
    ),
    api("turns/<uuid:turn_id>/context", path="/api/v1/turns/{turn}/context"),
    api("turns/<uuid:turn_id>", path="/api/v1/turns/{turn}"),
    api("turns/<uuid:turn_id>/trace", path="/api/v1/turns/{turn}/trace"),
    api("turns/<uuid:turn_id>/events", path="/api/v1/turns/{ended}/events"),
    Row(
        host=Host.WORKSPACE,
        route="api/chat/runtime",
        demands=CHAT_USER,
        method="POST",
        body={"message": ""},
        success=(400,),  # an empty message: nobody answers here
    ),
    Row(
        host=Host.WORKSPACE,
        route="api/chat/runtime/stream",
        demands=CHAT_USER,
        method="POST",
        body={"message": ""},
        success=(400,),
    ),
    api(
        "turns/<uuid:turn_id>/cancel",
        path="/api/v1/turns/{turn}/cancel",
        method="POST",
        success=(202,),
    ),
    api("attachments"),
    # Whoever is let through is told that a form is wanted; tests/app/attachments sends one.
    api("attachments", method="POST", success=(415,)),
    api(_FILE, path=_ONE_FILE),
    api(f"{_FILE}/content", path=f"{_ONE_FILE}/content"),
    api(f"{_FILE}/thumbnail", path=f"{_ONE_FILE}/thumbnail"),
    api(_FILE, path=_ONE_FILE, method="DELETE", success=(204,)),
)


def settings_rows() -> tuple[Row, ...]:
    message, conversation = "messages/<uuid:message_id>", _CONVERSATION
    own_message = "/api/v1/messages/{answer}"
    folder, share = "folders/<uuid:folder_id>", "shares/<uuid:share_id>"
    person = f"{conversation}/participants/<uuid:user_id>"
    return (
        api("folders"),
        api("folders", method="POST", body={"name": "new"}, success=(201,)),
        api(folder, path="/api/v1/folders/{folder}", method="PATCH", body={"name": "other"}),
        api(folder, path="/api/v1/folders/{folder}", method="DELETE", success=(204,)),
        api(
            "conversations/bulk",
            method="POST",
            body={"ids": ["{conversation}"], "action": "archive"},
        ),
        api("conversations/import", method="POST", body=EXPORTED),
        api("imports/<uuid:import_id>", path="/api/v1/imports/{import}"),
        api(f"{conversation}/export", path=f"{_ONE}/export"),
        api(
            f"{conversation}/fork",
            path=f"{_ONE}/fork",
            method="POST",
            body={"message_id": "{message}"},
            success=(201,),
        ),
        api(f"{conversation}/shares", path=f"{_ONE}/shares"),
        api(f"{conversation}/shares", path=f"{_ONE}/shares", method="POST", success=(201,)),
        api(share, path="/api/v1/shares/{share}", method="DELETE", success=(204,)),
        api(f"{conversation}/participants", path=f"{_ONE}/participants"),
        api(person, path=f"{_ONE}/participants/{{colleague}}", method="PUT"),
        api(
            person,
            path="/api/v1/conversations/{common}/participants/{member}",
            method="DELETE",
            success=(204,),
        ),
        api("members"),
        api(
            f"{message}/feedback",
            path="/api/v1/messages/{finished}/feedback",
            method="PUT",
            body={"rating": 1},
        ),
        api(f"{message}/feedback", path="/api/v1/messages/{finished}/feedback", method="DELETE"),
        api(f"{message}/pin", path=f"{own_message}/pin", method="PUT"),
        api(f"{message}/pin", path=f"{own_message}/pin", method="DELETE"),
        api("personas"),
        api("personas", method="POST", body={"name": "New one"}, success=(201,)),
        api(
            "personas/<slug:slug>",
            path="/api/v1/personas/{persona}",
            method="PATCH",
            body={"name": "Other"},
        ),
        api(
            "personas/<slug:slug>",
            path="/api/v1/personas/{persona}",
            method="DELETE",
            success=(204,),
        ),
        api("commands"),
    )
