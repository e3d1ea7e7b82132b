"""The laws of memory under random work: whatever is done in whatever order, the tables agree.

Two workspaces with two people each, one of them the same person in both, do everything that
services offer, some of it with equal ids. After each step one statement per workspace counts what
must not be.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings as hypothesis_settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from apps.accounts.permissions import MEMORY_WRITE
from apps.core.errors import KarenError
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import (
    ChangesetKind,
    MemoryChange,
    MemoryKind,
    MemoryStatus,
    Merge,
    NewMemory,
    PolicyView,
    Retirement,
    Said,
)
from apps.memory.errors import MemoryFull
from apps.memory.models import Changeset, Memory, Utterance
from tests.app.memory.life import acting, aged, claim, mention, prove, words_model
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]

# What must not be, by name; each counts rows. `%(live)s` is what recall finds.
_LAWS = {
    "posting without its thing": """
        SELECT count(*) FROM memory_posting AS p WHERE NOT EXISTS (
            SELECT FROM memory_memory AS m WHERE m.subject_id = p.subject_id AND m.place = p.place
        ) AND NOT EXISTS (
            SELECT FROM memory_utterance AS u WHERE u.subject_id = p.subject_id
                AND u.place = p.place)""",
    "thing without its postings": """
        SELECT count(*) FROM (
            SELECT subject_id, place, words_count AS words FROM memory_memory WHERE place < 0
            UNION ALL SELECT subject_id, place, words FROM memory_utterance
        ) AS thing WHERE words <> (
            SELECT coalesce(sum(frequency), 0) FROM memory_posting AS p
            WHERE p.subject_id = thing.subject_id AND p.place = thing.place)""",
    "live without a place, or a place without life": """
        SELECT count(*) FROM memory_memory
        WHERE (status IN ('active', 'consolidating')) <> (place IS NOT NULL)""",
    "vector of what is not live": """
        SELECT count(*) FROM memory_memory WHERE embedding IS NOT NULL
            AND status NOT IN ('active', 'consolidating')
            OR (embedding IS NULL) <> (embedding_model = '')""",
    "evidence without its memory": """
        SELECT count(*) FROM memory_evidence WHERE memory_id NOT IN (
            SELECT id FROM memory_memory)""",
    "mention without its memory": """
        SELECT count(*) FROM memory_mention WHERE memory_id NOT IN (SELECT id FROM memory_memory)
            OR entity_id NOT IN (SELECT id FROM memory_entity)""",
    "version without its memory": """
        SELECT count(*) FROM memory_memoryversion WHERE memory_id NOT IN (
            SELECT id FROM memory_memory)""",
    "entity nobody mentions": """
        SELECT count(*) FROM memory_entity WHERE id NOT IN (
            SELECT entity_id FROM memory_mention)""",
    "subject's counts": """
        SELECT count(*) FROM memory_subject AS s WHERE
            (memory_count, memory_words) <> (
                SELECT count(*), coalesce(sum(words_count), 0) FROM memory_memory AS m
                WHERE m.subject_id = s.id AND m.status IN ('active', 'consolidating'))
            OR (said_count, said_words) <> (
                SELECT count(*), coalesce(sum(words), 0) FROM memory_utterance AS u
                WHERE u.subject_id = s.id)""",
    "the same twice": """
        SELECT count(*) FROM (
            SELECT FROM memory_memory WHERE status IN ('active', 'consolidating')
            GROUP BY subject_id, content_hash HAVING count(*) > 1) AS twice""",
    "superseded and not archived with dates, or by nothing of the same person": """
        SELECT count(*) FROM memory_memory AS m WHERE superseded_by_id IS NOT NULL AND (
            status <> 'archived' OR valid_to IS NULL OR retired_at IS NULL OR NOT EXISTS (
                SELECT FROM memory_memory AS by WHERE by.id = m.superseded_by_id
                    AND by.subject_id = m.subject_id))""",
    "retired and live": """
        SELECT count(*) FROM memory_memory
        WHERE (status IN ('active', 'consolidating')) <> (retired_at IS NULL)""",
    "consolidated from nothing": """
        SELECT count(*) FROM memory_memory AS m WHERE origin = 'consolidated'
            AND status = 'active' AND NOT EXISTS (
                SELECT FROM memory_changesetentry AS e JOIN memory_changeset AS c
                    ON c.id = e.changeset_id
                WHERE e.memory_id = m.id AND e.before = '{}' AND c.state = 'applied')""",
    "text of what was erased": """
        SELECT count(*) FROM memory_changesetentry AS e WHERE (e.before::text || e.after::text) LIKE
            '%%text%%' AND NOT EXISTS (SELECT FROM memory_memory AS m WHERE m.id = e.memory_id)""",
}
# Everything of each person, as one hash: whose operation it was not must find it unchanged.
_PRINTS = """
SELECT '{schema}', s.id, md5(concat(
    (SELECT string_agg(m::text, '|' ORDER BY id) FROM memory_memory AS m
        WHERE m.subject_id = s.id),
    (SELECT string_agg(u::text, '|' ORDER BY id) FROM memory_utterance AS u
        WHERE u.subject_id = s.id),
    (SELECT string_agg(e::text, '|' ORDER BY e.id) FROM memory_evidence AS e
        JOIN memory_memory AS m ON m.id = e.memory_id WHERE m.subject_id = s.id),
    (SELECT string_agg(n::text, '|' ORDER BY id) FROM memory_entity AS n
        WHERE n.subject_id = s.id),
    (SELECT string_agg(c::text, '|' ORDER BY id) FROM memory_changeset AS c
        WHERE c.subject_id = s.id),
    s::text
)) FROM memory_subject AS s
"""
_COUNTED = " UNION ALL ".join(
    f"SELECT '{name.replace(chr(39), chr(39) * 2)}', ({law})" for name, law in _LAWS.items()
).replace("%%", "%")
_CLEARED = (
    "changesetentry", "changeset", "memoryversion", "mention", "evidence", "entity", "posting",
    "utterance", "memory", "subject", "memorypolicy",
)  # fmt: skip

_TABLE = re.compile(rf"\b(memory_(?:{'|'.join(_CLEARED)}))\b")

_NOUNS = ["boat", "harbour", "heron", "fig", "shoe", "train", "roof", "tea"]
_WORDS = st.sampled_from(_NOUNS)
_TEXTS = st.lists(_WORDS, min_size=1, max_size=4).map(" ".join)
_SEVERAL = st.lists(_TEXTS, min_size=1, max_size=6)
_PICK = st.integers(0, 10_000)
_AGES = st.sampled_from([0, 5, 40, 400, 4_000])
_YES = st.booleans()
_KINDS = st.sampled_from(["merge", "life"])
_WHO = st.integers(0, 3)  # two people in each of two workspaces


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person in a workspace."""

    tenant: TenantRef
    actor: Actor

    @property
    def id(self) -> UUID:
        """The id of the person, and of the subject."""
        assert self.actor.id is not None
        return self.actor.id


class Life(RuleBasedStateMachine):
    """Does everything, to everybody; `somebodies` is set by the test."""

    somebodies: tuple[Somebody, ...] = ()
    steps = 0

    @initialize()
    def begin(self) -> None:
        self.prints: dict[tuple[str, UUID], str] = {}
        self.touched: set[tuple[str, UUID]] = set()
        schemas = sorted({each.tenant.schema for each in self.somebodies})
        with connection.cursor() as cursor:
            for schema in schemas:
                for name in _CLEARED:
                    cursor.execute(f'DELETE FROM "{schema}".memory_{name}')
        self.prepared: object = None

    def _as(self, who: int, *, everybody: bool = False) -> Any:
        """Work as one of the four; remember whose rows may change by it."""
        somebody = self.somebodies[who]
        mine = {(somebody.tenant.schema, somebody.id)}
        if everybody:
            mine = {(each.tenant.schema, each.id) for each in self.somebodies
                    if each.tenant == somebody.tenant}  # fmt: skip
        self.touched |= mine
        self.acting = {who}
        type(self).steps += 1
        return acting(somebody.tenant, somebody.actor)

    def _one(self, who: int, pick: int, *, live: bool | None = None) -> Memory | None:
        rows = Memory.objects.filter(subject_id=self.somebodies[who].id).order_by("pk")
        if live is not None:
            rows = rows.filter(place__isnull=not live)
        several = list(rows.only("pk", "status", "origin", "subject_id"))
        if not several and who in self.acting:  # where there is nothing, something begins
            self._remember_several(pick)
        return several[pick % len(several)] if several else None

    def _remember_several(self, pick: int) -> None:
        """Remember old episodes of which some are nearly the same."""
        (who,) = self.acting
        for number in range(4):
            text = f"{_NOUNS[(pick + number) % 8]} {_NOUNS[pick // 8 % 8]} by {_NOUNS[pick % 5]}"
            with suppress(MemoryFull):
                self._remember_one(who, text, 400, True, False, 2 * number + 1 + pick % 2)

    @rule(who=_WHO, texts=_SEVERAL, age=_AGES, episodic=_YES, pinned=_YES, pick=_PICK)
    def remember(
        self, who: int, texts: list[str], age: int, episodic: bool, pinned: bool, pick: int
    ) -> None:
        with self._as(who):
            for number, text in enumerate(texts, pick):
                with suppress(MemoryFull):
                    self._remember_one(who, text, age, episodic, pinned, number)

    def _remember_one(
        self, who: int, text: str, age: int, episodic: bool, pinned: bool, pick: int
    ) -> None:
        kept = services.remember(
            actor=self.somebodies[who].actor,
            permission=MEMORY_WRITE,
            text=text,
            kind=MemoryKind.EPISODIC if episodic else MemoryKind.SEMANTIC,
            importance=1 + pick % 10,
            pinned=pinned and pick % 5 == 0,
        )
        if not kept.created:
            return
        values = dict(aged(age))
        if pick % 3 == 0:
            values["expires_at"] = datetime.now(tz=UTC) + timedelta(days=pick % 5 - 2)
        if pick % 7 == 0:
            values["namespace"] = "short_term"
        Memory.objects.filter(pk=kept.memory.id).update(**values)
        if pick % 2:
            prove(kept.memory.id, text)
            mention(kept.memory.id, text.split(maxsplit=1)[0])

    @rule(who=_WHO, pick=_PICK, text=_TEXTS, archive=st.sampled_from([None, True, False]))
    def update(self, who: int, pick: int, text: str, archive: bool | None) -> None:
        with self._as(who):
            memory = self._one(who, pick)
            if memory is None:
                return
            status = None
            if archive is not None:
                status = MemoryStatus.ARCHIVED if archive else MemoryStatus.ACTIVE
            if memory.superseded_by_id and status is MemoryStatus.ACTIVE:
                return  # that is `restore`
            change = MemoryChange(text=text if pick % 2 else None, status=status, importance=3)
            self._try(services.update_memory, who, memory_id=memory.pk, change=change)

    def _try(self, service: Callable[..., object], who: int, **arguments: object) -> None:
        """Do it, or be refused with a reason."""
        with suppress(KarenError):
            service(actor=self.somebodies[who].actor, permission=MEMORY_WRITE, **arguments)

    @rule(who=_WHO, other=_WHO, pick=_PICK)
    def forget(self, who: int, other: int, pick: int) -> None:
        """Forget one of one's own; of somebody else's, in vain."""
        with self._as(who):
            memory = self._one(other if pick % 4 == 0 else who, pick)
            if memory is not None:
                self._try(services.forget, who, memory_id=memory.pk)

    @rule(who=_WHO, pick=_PICK)
    def restore(self, who: int, pick: int) -> None:
        with self._as(who):
            memory = self._one(who, pick, live=False)
            if memory is not None:
                self._try(services.restore, who, memory_id=memory.pk)

    @rule(who=_WHO, texts=st.lists(_TEXTS, min_size=1, max_size=3), number=st.integers(1, 30))
    def take_in(self, who: int, texts: list[str], number: int) -> None:
        """The ids are the same in both workspaces."""
        somebody = self.somebodies[who]
        with self._as(who):
            said = [
                Said(
                    message_id=UUID(int=(who % 2) * 1_000 + number + at),
                    conversation_id=UUID(int=who % 2 + 1),
                    speaker="Ann",
                    by_assistant=False,
                    text=text,
                    said_at=datetime.now(tz=UTC),
                )
                for at, text in enumerate(texts)
            ]
            services.take_in(subject_id=somebody.id, said=said)

    @rule(who=_WHO, pick=_PICK)
    def unsay(self, who: int, pick: int) -> None:
        with self._as(who):
            ids = list(
                Utterance.objects.filter(subject=self.somebodies[who].id).values_list(
                    "pk", flat=True
                )
            )
            services.unsay(message_ids=[*ids[pick % 5 : pick % 5 + 2], new_id()])

    @rule(
        who=_WHO,
        pick=_PICK,
        text=_TEXTS,
        made=st.booleans(),
        kind=st.sampled_from(["merge", "life"]),
    )
    def change_together(self, who: int, pick: int, text: str, made: bool, kind: str) -> None:
        with self._as(who):
            rows = Memory.objects.filter(subject_id=self.somebodies[who].id).order_by("pk")
            ids = list(rows.values_list("pk", flat=True))
            chosen = (
                list(dict.fromkeys(ids[(pick + step * 7) % len(ids)] for step in range(3)))
                if ids
                else []
            )
            if len(chosen) < 2:
                return
            new = NewMemory(text=text, kind=MemoryKind.SEMANTIC, importance=5, confidence=1)
            merge = Merge(source_ids=tuple(chosen[1:]), into=new if made else chosen[0])
            out = Retirement(memory_id=chosen[0], status=MemoryStatus.ARCHIVED, reason="decay")
            with suppress(KarenError):
                services.apply_changeset(
                    subject_id=self.somebodies[who].id,
                    kind=ChangesetKind(kind),
                    merges=[merge] if kind == "merge" else (),
                    retirements=[] if kind == "merge" else [out],
                    dry_run=pick % 5 == 0,
                )

    @rule(who=_WHO, pick=_PICK)
    def undo(self, who: int, pick: int) -> None:
        with self._as(who):
            rows = Changeset.objects.filter(subject=self.somebodies[who].id).order_by("pk")
            ids = list(rows.values_list("pk", flat=True))
            if ids:
                chosen = ids[-1 - pick % min(len(ids), 3)]
                self._try(services.undo_changeset, who, changeset_id=chosen)

    @rule(who=_WHO, pick=_PICK)
    def die_while_consolidating(self, who: int, pick: int) -> None:
        with self._as(who):
            memory = self._one(who, pick, live=True)
            if memory is not None:
                claim(memory.pk)

    @rule(who=_WHO)
    def consolidate(self, who: int) -> None:
        with self._as(who):
            if Memory.objects.filter(subject_id=self.somebodies[who].id).count() < 3:
                self._remember_several(who)
            services.consolidate(subject_id=self.somebodies[who].id)

    @rule(who=_WHO)
    def embed(self, who: int) -> None:
        with self._as(who, everybody=True):
            services.embed_waiting()

    @rule(who=_WHO, few=st.booleans(), forgets=st.booleans())
    def sweep(self, who: int, few: bool, forgets: bool) -> None:
        policy = PolicyView(
            per_subject_max=12 if few else 20_000,
            retention_days=3_000 if forgets else None,
            said_retention_days=1 if forgets else None,
        )
        with self._as(who, everybody=True):
            services.change_memory_policy(
                actor=self.somebodies[who].actor, permission=MEMORY_WRITE, wanted=policy
            )
            services.sweep_memories()
            left = Memory.objects.filter(status=MemoryStatus.CONSOLIDATING)
            assert not left.exists(), "the sweep gives back what a dead consolidation held"

    @rule(who=_WHO, word=_WORDS, everything=st.integers(0, 9))
    def forget_much(self, who: int, word: str, everything: int) -> None:
        actor = self.somebodies[who].actor
        with self._as(who):
            if everything == 0:
                services.forget_all(actor=actor, permission=MEMORY_WRITE)
            else:
                services.forget_about(actor=actor, permission=MEMORY_WRITE, topic=word)

    def _prepare(self, cursor: Any) -> None:
        """Have the laws planned once for a connection: that costs more than asking them."""
        if self.prepared is connection.connection:
            return
        self.prepared = connection.connection
        schemas = sorted({each.tenant.schema for each in self.somebodies})
        cursor.execute("DEALLOCATE ALL")
        for schema in schemas:
            cursor.execute(f"PREPARE laws_{schema} AS {_in_schema(_COUNTED, schema)}")
        prints = [_in_schema(_PRINTS.format(schema=each), each) for each in schemas]
        cursor.execute(f"PREPARE prints AS {' UNION ALL '.join(prints)}")

    @invariant()
    def nothing_is_that_must_not_be(self) -> None:
        """Count what breaks a law where something happened, and see that only that changed."""
        with connection.cursor() as cursor:
            self._prepare(cursor)
            for schema in {schema for schema, _pk in self.touched}:
                cursor.execute(f"EXECUTE laws_{schema}")
                broken = {name: count for name, count in cursor.fetchall() if count}
                assert broken == {}
            cursor.execute("EXECUTE prints")
            prints = {(schema, pk): found for schema, pk, found in cursor.fetchall()}
        changed = {
            key for key in {*prints, *self.prints} if prints.get(key) != self.prints.get(key)
        }
        assert changed <= self.touched, "somebody's rows changed by another's operation"
        self.prints, self.touched = prints, set()


def _in_schema(statement: str, schema: str) -> str:
    return _TABLE.sub(rf'"{schema}".\1', statement)


@pytest.fixture
def life(
    committed: World, people: People, actor_in: ActorIn, settings: Any
) -> Iterator[type[Life]]:
    settings.DEFAULT_MODEL = "echo/plain"

    four = (
        (committed.acme, people.ann),
        (committed.acme, people.bea),
        (committed.globex, people.gus),
        (committed.globex, people.bea),
    )

    class Here(Life):
        somebodies = tuple(Somebody(tenant, actor_in(pk, tenant)) for tenant, pk in four)

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


def test_a_few_hundred_random_operations_break_no_law(life: type[Life]) -> None:
    _run(life, examples=8, steps=50)

    assert life.steps >= 100


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_ten_thousand_random_operations_break_no_law(life: type[Life]) -> None:
    while life.steps < 10_000:
        _run(life, examples=60, steps=100)
