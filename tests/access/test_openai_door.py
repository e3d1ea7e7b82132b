"""Every route below `/v1/` against every credential: 401, 403, success."""

import pytest
from django.conf import settings

from apps.accounts import services as accounts
from apps.api.openai.door import ROUTES
from apps.core import scope
from apps.core.concurrency import platform_db
from tests.access.matrix import DOOR_ROWS, DoorRow
from tests.access.test_matrix import BrowserOf
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People
from tests.fixtures.v1 import AskV1, V1Answer

each_row = pytest.mark.parametrize("row", DOOR_ROWS, ids=[row.route for row in DOOR_ROWS])


async def ask(
    ask_v1: AskV1,
    row: DoorRow,
    world: World,
    key: str | None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> V1Answer:
    return await ask_v1(
        row.path or row.route,
        tenant=world.acme,
        key=key,
        body=row.body or None,
        method=row.method,
        headers=headers,
    )


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    served = {(route.path, route.method, route.permission) for route in ROUTES}
    assert {(row.route, row.method, row.demands) for row in DOOR_ROWS} == served


@each_row
async def test_strangers_sessions_and_foreign_keys_are_refused(
    ask_v1: AskV1,
    committed: World,
    people: People,
    new_key: NewKey,
    browser_of: BrowserOf,
    row: DoorRow,
) -> None:
    foreign = await platform_db(new_key, people.gus, committed.globex)
    browser = await platform_db(browser_of, people.ann, committed.acme)
    name = settings.SESSION_COOKIE_NAME
    cookie = (b"cookie", f"{name}={browser.cookies[name].value}".encode())

    assert (await ask(ask_v1, row, committed, None)).status == 401
    assert (await ask(ask_v1, row, committed, foreign)).status == 401
    assert (await ask(ask_v1, row, committed, None, (cookie,))).status == 401


@each_row
async def test_a_key_without_the_permission_is_told_so(
    ask_v1: AskV1, committed: World, people: People, new_key: NewKey, row: DoorRow
) -> None:
    narrow = await platform_db(new_key, people.ann, committed.acme, scopes=("memory.read",))
    refused = await ask(ask_v1, row, committed, narrow)
    assert (refused.status, refused.error["type"]) == (403, "permission_error")


@each_row
async def test_a_key_whose_owner_lost_the_permission_has_lost_it_too(
    ask_v1: AskV1, committed: World, people: People, new_key: NewKey, row: DoorRow
) -> None:
    def become(role: str) -> None:
        with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
            accounts.change_role(tenant=committed.acme, user_id=people.bea, role=role)

    key = await platform_db(new_key, people.bea, committed.acme)
    assert (await ask(ask_v1, row, committed, key)).status in row.success
    await platform_db(become, "guest")
    try:
        assert (await ask(ask_v1, row, committed, key)).status == 403
    finally:
        await platform_db(become, "member")
