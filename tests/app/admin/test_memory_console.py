"""What operators see of memory: numbers and policies of each workspace, and not a word of it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import DeadLetter, Lease, OutboxEntry
from apps.memory import services
from apps.memory.contracts import (
    ChangesetKind,
    EntityKind,
    MemoryStatus,
    Merge,
    PolicyView,
    Retirement,
)
from apps.memory.models import Memory, MemoryPolicy
from apps.memory.selectors import CONSOLIDATION_LEASE
from tests.app.memory.life import claim
from tests.app.memory.remembering import name_in, say, told
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, BrowserOf, People

PAGE = "/admin/memory/"


@pytest.fixture
def operator(committed: World, people: People, browser_of: BrowserOf) -> Iterator[Client]:
    user = get_user_model().objects.create_superuser("op@karen.example", PASSWORD)
    yield browser_of(UUID(str(user.pk)), None)
    user.delete()


def text_of(client: Client, path: str = PAGE) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def cells(page: str, slug: str) -> list[str]:
    """Return a workspace's row, cell by cell."""
    row = page.split(f">{slug}</a></td>", 1)[1].split("</tr>", 1)[0]
    texts = (cell.split("</td>", 1)[0] for cell in row.split("<td>")[1:])
    return [text.replace("<strong>", "").replace("</strong>", "").strip() for text in texts]


def a_memory_of_each_kind(ann: Actor) -> None:
    """Give Ann two memories in use, two put aside, and what she said."""
    assert ann.id is not None
    heron, also = told(ann, "The heron sleeps"), told(ann, "Herons do sleep")
    otter, owl = told(ann, "The otter swims"), told(ann, "The owl hoots")
    name_in(owl, "Birdland", kind=EntityKind.PLACE)
    services.apply_changeset(
        subject_id=ann.id,
        kind=ChangesetKind.CONSOLIDATION,
        merges=[Merge(source_ids=(also.pk,), into=heron.pk)],
        note="said the same",
    )
    services.apply_changeset(
        subject_id=ann.id,
        kind=ChangesetKind.LIFE,
        retirements=[Retirement(memory_id=otter.pk, status=MemoryStatus.EXPIRED, reason="expired")],
    )
    say(ann, "A heron was here", "And an otter", "And an owl")


def test_each_workspace_is_told_in_numbers_and_nothing_of_what_is_remembered(
    operator: Client, in_acme: Actor
) -> None:
    a_memory_of_each_kind(in_acme)

    page = text_of(operator)

    subjects, live, aside, said, waiting, at, state, size = cells(page, "acme")
    assert (subjects, live, aside, said, waiting, state) == ("1", "2", "2", "3", "5", "done")
    assert at.startswith(f"{now():%Y-%m-%d}")
    assert size.partition("\xa0")[2] in {"KB", "MB"}
    assert cells(page, "globex")[:7] == ["0", "0", "0", "0", "0", "–", "nothing to do yet"]
    detail = text_of(operator, f"{PAGE}{scope.require().id}/")
    assert "Memories expired</th><td>1</td>" in detail
    for shown in (page, detail):
        for word in ("heron", "otter", "owl", "Birdland", "ann@", str(in_acme.id)):
            assert word not in shown.lower(), word


def test_the_policy_of_a_workspace_is_visible(
    operator: Client, committed: World, in_acme: Actor
) -> None:
    address = f"{PAGE}{committed.acme.id}/"
    assert "Most memories of one person</th><td>20,000</td>" in text_of(operator, address)
    services.change_memory_policy(
        actor=in_acme,
        permission=TENANT_ADMIN,
        wanted=PolicyView(learns=False, retention_days=90, per_subject_max=777),
    )
    try:
        page = text_of(operator, address)
        assert "Learns from conversations</th><td>no</td>" in page
        assert "Memories are erased after days</th><td>90</td>" in page
        assert "Messages are erased after days</th><td>never</td>" in page
        assert "Most memories of one person</th><td>777</td>" in page
        other = text_of(operator, f"{PAGE}{committed.globex.id}/")
        assert "<td>777</td>" not in other
    finally:
        MemoryPolicy.objects.all().delete()


def _dead(acme: TenantRef, _memory: Memory) -> None:
    DeadLetter.objects.create(
        tenant_id=acme.id, task="memory.consolidate", queue="gpu.consolidation", reason="test"
    )


def _dead_elsewhere(_acme: TenantRef, _memory: Memory) -> None:
    DeadLetter.objects.create(
        tenant_id=new_id(), task="memory.consolidate", queue="gpu.consolidation", reason="test"
    )


def _waiting(acme: TenantRef, _memory: Memory) -> None:
    OutboxEntry.objects.create(
        tenant_id=acme.id, task="memory.consolidate", queue="gpu.consolidation"
    )


def _abandoned(_acme: TenantRef, memory: Memory) -> None:
    claim(memory.pk)


def _running(acme: TenantRef, memory: Memory) -> None:
    claim(memory.pk)
    Lease.objects.create(
        kind=CONSOLIDATION_LEASE, key=memory.subject_id, tenant_id=acme.id, owner="test",
        until=now() + timedelta(minutes=5),
    )  # fmt: skip


@pytest.mark.parametrize(
    "happens, state",
    [
        (_dead, "failed, see the dead letters"),
        (_dead_elsewhere, "nothing to do yet"),
        (_waiting, "waiting for the broker"),
        (_abandoned, "died, 1 memories are held"),
        (_running, "running, 1 memories"),
    ],
)
def test_how_consolidation_stands_is_told(
    operator: Client,
    committed: World,
    in_acme: Actor,
    happens: Callable[[TenantRef, Memory], None],
    state: str,
) -> None:
    happens(committed.acme, told(in_acme, "The heron sleeps"))

    assert cells(text_of(operator), "acme")[6] == state


def test_more_memories_cost_no_more_questions(operator: Client, in_acme: Actor) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            text_of(operator)
        return len(asked)

    told(in_acme, "one")
    before = questions()
    for number in range(20):
        told(in_acme, f"fact {number}")

    assert questions() <= before


def test_only_operators_find_it_and_unknown_workspaces_are_not_found(
    operator: Client, committed: World, people: People, browser_of: BrowserOf
) -> None:
    assert operator.get(f"{PAGE}{new_id()}/").status_code == 404
    assert operator.get(f"{PAGE}?p=99").status_code == 200
    assert f'href="{PAGE}"' in text_of(operator, "/admin/")
    person = browser_of(people.ann, None)
    for path in (PAGE, f"{PAGE}{committed.acme.id}/"):
        assert person.get(path, follow=True).status_code == 404
        assert operator.get(path, HTTP_HOST="acme.localhost").status_code == 404
