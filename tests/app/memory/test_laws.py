"""The laws of memory under random work: whatever is done in whatever order, the tables agree.

Two workspaces with two people each, one of them the same person in both, do everything that
services offer, some of it with equal ids (`machine`). After each step one statement counts what
must not be and another collects every text (`laws`): what belonged to something forgotten is
nowhere, neither in rows, postings, vectors, versions, evidence and changesets nor in what recall,
the export and the files of analytics give.

The laws bite. Each of these was put into the product for a while, and a few hundred steps found it:
postings stay when a memory, or what was said, is erased; what is archived keeps its vector;
forgetting deletes the row alone; recall asks without the subject; a deleted message stays among
the sources; a newer value supersedes nothing; undoing leaves names; copies of evidence stay; what
was made of something is not told anew.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from apps.core.scope import Actor, TenantRef
from tests.app.memory.laws import MARK
from tests.app.memory.life import words_model
from tests.app.memory.machine import Life, Somebody
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
OPERATIONS = 10_000
RULES = 19


@pytest.fixture
def life(
    committed: World, people: People, actor_in: ActorIn, settings: Any, tmp_path: Path
) -> Iterator[type[Life]]:
    settings.DEFAULT_MODEL = "echo/plain"
    settings.MEMORY_ANALYTICS_ROOT = tmp_path / "analytics"
    four = (
        (committed.acme, people.ann),
        (committed.acme, people.bea),
        (committed.globex, people.gus),
        (committed.globex, people.bea),
    )

    class Here(Life):
        somebodies = tuple(Somebody(tenant, actor_in(pk, tenant)) for tenant, pk in four)
        done: ClassVar[Counter[str]] = Counter()

    with words_model():
        yield Here


def _run(life: type[Life], *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        life,
        settings=hypothesis_settings(
            max_examples=examples,
            phases=(Phase.generate,),  # shrinking would take as long as it may
            report_multiple_bugs=False,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _marks_in_the_audit() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(entry)::text FROM public.audit_auditentry AS entry")
        return [found for (row,) in cursor.fetchall() for found in MARK.findall(row)]


def test_a_few_hundred_random_operations_break_no_law(life: type[Life]) -> None:
    _run(life, examples=8, steps=50)

    assert life.done.total() >= 100
    assert _marks_in_the_audit() == []


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_ten_thousand_random_operations_break_no_law(life: type[Life]) -> None:
    """What was refused, or found nothing to do, is not counted."""
    for _round in range(40):
        _run(life, examples=10, steps=100)
        if life.done.total() >= OPERATIONS:
            break

    assert life.done.total() >= OPERATIONS
    assert len(life.done) == RULES, life.done
    assert min(life.done.values()) >= OPERATIONS // 200, life.done
    assert _marks_in_the_audit() == []
