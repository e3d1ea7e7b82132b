"""Commands over the socket, beside a worker that answers messages."""

from apps.conversations.models.turns import Turn
from apps.core import scope
from apps.core.concurrency import tenant_db
from tests.app.conversations.features import Person
from tests.fixtures.database import World
from tests.fixtures.work import Connect, text_of


async def test_a_socket_shows_a_command_like_an_answer(
    worker: World, owner: Person, connect: Connect
) -> None:
    async with connect(owner.client, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="message", ref="r", client_message_id="c", text="/help")
        accepted = (await socket.receive_until(type="accepted"))[-1]
        frames = await socket.receive_answer()

        assert "/summarize" in text_of(frames)
        assert frames[-1]["event"]["kind"] == "done"
        with scope.tenant_scope(worker.acme):
            turn = await tenant_db(Turn.objects.get, pk=accepted["turn_id"])
        assert turn.kind == "command"
