"""Random work on memories: everything that services offer, for four people in two workspaces."""

import functools
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import duckdb
from django.conf import settings
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.accounts.permissions import MEMORY_WRITE
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import analytics, services
from apps.memory.analytics.exporting import TABLES as TABLES_OF_FILES
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
from apps.memory.export import export_lines
from apps.memory.models import Changeset, Memory, Utterance
from apps.memory.recall import recall
from tests.app.memory.laws import COUNTED, MARK, PRINTS, TABLES, TEXTS, Marks, in_schema, mark
from tests.app.memory.life import acting, aged, claim, mention, prove

_FACTS = [
    "I live in Rome.", "I moved to Berlin.", "I live in Oslo.", "I no longer live in Rome.",
    "I used to live in Oslo.", "I work at Acme.", "I now work at Globex.", "I quit my job at Acme.",
    "I love tea.", "I don't like tea any more.", "My brother Tom lives in Leeds.",
    "Tom moved to Glasgow.", "My favourite colour is green.", "My favourite colour is blue.",
    "Remember that the spare key is under the blue pot.", "I'm flying to Lisbon next Friday.",
]  # fmt: skip
_NOUNS = ["boat", "harbour", "heron", "fig", "shoe", "train", "roof", "tea"]
_WORDS = st.sampled_from(_NOUNS)
_TEXTS = st.lists(_WORDS, min_size=1, max_size=4).map(" ".join)
_PICK = st.integers(0, 10_000)
_YES = st.booleans()
_WHO = st.integers(0, 3)  # two people in each of two workspaces
_TOLD = 60  # steps that a failure names
_MESSAGES = 400


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


def operation(**given: "st.SearchStrategy[Any]") -> Callable[[Callable[..., Any]], Any]:
    """Make a rule that writes down what it does; it answers how much it did, or whether."""

    def made(function: Callable[..., int | None]) -> Any:
        @functools.wraps(function)
        def run(self: "Life", **values: Any) -> None:
            told = ", ".join(f"{name}={value!r}" for name, value in values.items())
            self.journal.append(f"{function.__name__}({told})")
            did = function(self, **values)
            type(self).done[function.__name__] += 1 if did is None else int(did)

        return rule(**given)(run)  # type: ignore[call-overload]  # it takes targets besides

    return made


class Life(RuleBasedStateMachine):
    """Does everything, to everybody; `somebodies` and `done` are set by the test."""

    somebodies: tuple[Somebody, ...] = ()
    done: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        self.prints: dict[tuple[str, UUID], str] = {}
        self.touched: set[tuple[str, UUID]] = set()
        self.journal: list[str] = []
        self.schemas = sorted({each.tenant.schema for each in self.somebodies})
        self.marks = {schema: Marks() for schema in self.schemas}
        self.numbers = 0
        with connection.cursor() as cursor:
            for schema in self.schemas:
                for name in TABLES:
                    cursor.execute(f'DELETE FROM "{schema}".memory_{name}')
        self.prepared: object = None
        self.acting = 0

    def _as(self, who: int, *, everybody: bool = False) -> Any:
        """Work as one of the four; remember whose rows may change by it."""
        somebody = self.somebodies[who]
        mine = {(somebody.tenant.schema, somebody.id)}
        if everybody:
            mine = {(each.tenant.schema, each.id) for each in self.somebodies
                    if each.tenant == somebody.tenant}  # fmt: skip
        self.touched |= mine
        self.acting = who
        return acting(somebody.tenant, somebody.actor)

    @property
    def _marks(self) -> Marks:
        return self.marks[self.somebodies[self.acting].tenant.schema]

    def _marked(self, text: str) -> tuple[str, str]:
        self.numbers += 1
        made = mark(self.numbers)
        return f"{text} {made}", made

    def _try(self, service: Callable[..., Any], **arguments: object) -> bool:
        """Do it, or be refused with a reason; say whether it was done."""
        try:
            service(actor=self.somebodies[self.acting].actor, permission=MEMORY_WRITE, **arguments)
        except KarenError as error:
            self.journal[-1] += f" refused: {error.code}"
            return False
        return True

    def _mine(self) -> Any:
        rows = Memory.objects.filter(subject_id=self.somebodies[self.acting].id)
        return rows.order_by("pk").only("pk", "status", "origin", "subject_id", "text")

    def _one(self, pick: int, *, live: bool | None = None, whose: int | None = None) -> Any:
        subject_id = self.somebodies[self.acting if whose is None else whose].id
        if live is not False and whose is None and not self._mine().filter(place__lt=0).exists():
            self._remember_several(pick)  # where there is nothing, something begins
        rows = Memory.objects.filter(subject_id=subject_id).order_by("pk")
        if live is not None:
            rows = rows.filter(place__isnull=not live)
        several = list(rows.defer("embedding", "words"))
        return several[pick % len(several)] if several else None

    def _remember_several(self, pick: int) -> None:
        """Remember old episodes of which some are nearly the same."""
        for number in range(4):
            text = f"{_NOUNS[(pick + number) % 8]} {_NOUNS[pick // 8 % 8]} by {_NOUNS[pick % 5]}"
            self._remember_one(text, 400, 2 * number + 1 + pick % 2, episodic=True)

    def _remember_one(self, text: str, age: int, pick: int, *, episodic: bool) -> bool:
        """Remember something, as old as it is to be; say whether it is new."""
        made = ""
        if pick % 4:  # the others may say what another one says
            text, made = self._marked(text)
        with suppress(MemoryFull):
            kept = services.remember(
                actor=self.somebodies[self.acting].actor,
                permission=MEMORY_WRITE,
                text=text,
                kind=MemoryKind.EPISODIC if episodic else MemoryKind.SEMANTIC,
                importance=1 + pick % 10,
                pinned=pick % 15 == 0,
            )
            if not kept.created:
                return False
            if made:
                self._marks.of_memories[made] = kept.memory.id
            values = dict(aged(age))
            if pick % 3 == 0:
                values["expires_at"] = datetime.now(tz=UTC) + timedelta(days=pick % 5 - 2)
            if pick % 7 == 0:
                values["namespace"] = "short_term"
            Memory.objects.filter(pk=kept.memory.id).update(**values)
            if pick % 2:
                prove(kept.memory.id, text)
                mention(kept.memory.id, made or text.split(maxsplit=1)[0])
            return True
        return False

    @operation(
        who=_WHO,
        texts=st.lists(_TEXTS, min_size=1, max_size=6),
        age=st.sampled_from([0, 5, 40, 400, 4_000]),
        episodic=_YES,
        pick=_PICK,
    )
    def remember(self, who: int, texts: list[str], age: int, episodic: bool, pick: int) -> int:
        with self._as(who):
            return sum(
                self._remember_one(text, age, number, episodic=episodic)
                for number, text in enumerate(texts, pick)
            )

    @operation(who=_WHO, fact=st.sampled_from(_FACTS))
    def tell_a_fact(self, who: int, fact: str) -> bool:
        """What the page, the API and `/memory remember` do."""
        with self._as(who):
            return self._try(services.remember, text=fact)

    @operation(who=_WHO, pick=_PICK, text=_TEXTS, archive=st.sampled_from([None, True, False]))
    def update(self, who: int, pick: int, text: str, archive: bool | None) -> bool:
        with self._as(who):
            memory = self._one(pick)
            if memory is None:
                return False
            status = None
            if archive is not None:
                status = MemoryStatus.ARCHIVED if archive else MemoryStatus.ACTIVE
            marked, made = self._marked(text)
            change = MemoryChange(
                text=marked if pick % 2 else None, status=status, importance=1 + pick % 7
            )
            done = self._try(services.update_memory, memory_id=memory.pk, change=change)
            if done and pick % 2:
                self._marks.of_memories[made] = memory.pk
            return done

    @operation(who=_WHO, other=_WHO, pick=_PICK)
    def forget(self, who: int, other: int, pick: int) -> bool:
        """Forget one of one's own; of somebody else's, in vain."""
        with self._as(who):
            memory = self._one(pick, whose=other if pick % 4 == 0 else None)
            if memory is None:
                return False
            done = self._try(services.forget, memory_id=memory.pk)
            assert done == (memory.subject_id == self.somebodies[who].id)
            return done

    @operation(who=_WHO, pick=_PICK)
    def restore(self, who: int, pick: int) -> bool:
        with self._as(who):
            memory = self._one(pick, live=False)
            return memory is not None and self._try(services.restore, memory_id=memory.pk)

    def _said(self, who: int, number: int, text: str, *, ago: int = 0) -> Said:
        """Return a message; its ids are the same in both workspaces."""
        marked, made = self._marked(f"{text} Bye")
        said = Said(
            message_id=UUID(int=(who % 2) * 1_000 + number),
            conversation_id=UUID(int=who % 2 * 10 + number % 3 + 1),
            speaker="" if number % 2 else "Ann",
            by_assistant=number % 7 == 0,
            text=f"{marked}.",
            said_at=datetime.now(tz=UTC) - timedelta(hours=7 * ago),
        )
        known = Utterance.objects.filter(pk=said.message_id).exists()
        self._marks.of_messages[made] = new_id() if known else said.message_id
        return said

    @operation(
        who=_WHO,
        texts=st.lists(_TEXTS, min_size=1, max_size=3),
        number=st.integers(1, _MESSAGES),
    )
    def take_in(self, who: int, texts: list[str], number: int) -> bool:
        with self._as(who):
            said = [self._said(who, number + at, text) for at, text in enumerate(texts)]
            fresh = [each for each in said if each.message_id not in self._marks.forgotten]
            return services.take_in(subject_id=self.somebodies[who].id, said=[*fresh, *fresh]) > 0

    @operation(
        who=_WHO,
        facts=st.lists(st.sampled_from(_FACTS), min_size=1, max_size=3),
        number=st.integers(1, _MESSAGES),
        ago=st.integers(0, 30),
    )
    def learn(self, who: int, facts: list[str], number: int, ago: int) -> bool:
        """Hear messages as they come, also late, and learn from each once."""
        subject_id = self.somebodies[who].id
        with self._as(who):
            said = [self._said(who, number + 2 * at, fact, ago=ago - at)
                    for at, fact in enumerate(facts)]  # fmt: skip
            fresh = [each for each in said if each.message_id not in self._marks.forgotten]
            readings = services.read_said(subject_id=subject_id, said=fresh)
            learnt = services.absorb(subject_id=subject_id, said=fresh, readings=readings)
            return bool(learnt.created or learnt.proven or learnt.superseded)

    @operation(who=_WHO, pick=_PICK)
    def unsay(self, who: int, pick: int) -> bool:
        with self._as(who):
            ids = self._messages()
            return services.unsay(message_ids=[*ids[pick % 5 : pick % 5 + 2], new_id()]) > 0

    def _messages(self) -> list[UUID]:
        rows = Utterance.objects.filter(subject=self.somebodies[self.acting].id)
        return list(rows.values_list("pk", flat=True))

    @operation(who=_WHO, pick=_PICK, most=st.integers(1, 6))
    def forget_messages(self, who: int, pick: int, most: int) -> bool:
        """Messages are deleted: of what was said, and of what is only evidence."""
        with self._as(who):
            ids = self._messages()
            for row in Memory.objects.filter(subject_id=self.somebodies[who].id).order_by("pk"):
                ids += row.source_message_ids
            at = pick % len(ids) if ids else 0
            chosen = ids[at : at + most]
            services.forget_messages(message_ids=[*chosen, new_id()])
            self._marks.forgotten |= set(chosen)
            return bool(chosen)

    @operation(
        who=_WHO, pick=_PICK, text=_TEXTS, made=_YES, kind=st.sampled_from(["merge", "life"])
    )
    def change_together(self, who: int, pick: int, text: str, made: bool, kind: str) -> bool:
        with self._as(who):
            ids = [row.pk for row in self._mine().filter(place__isnull=False)]
            chosen = list(dict.fromkeys(ids[(pick + n * 7) % len(ids)] for n in range(3) if ids))
            if len(chosen) < 2:
                return False
            marked, word = self._marked(text)
            new = NewMemory(text=marked, kind=MemoryKind.SEMANTIC, importance=5, confidence=1)
            merge = Merge(source_ids=tuple(chosen[1:]), into=new if made else chosen[0])
            out = Retirement(memory_id=chosen[0], status=MemoryStatus.ARCHIVED, reason="decay")
            try:
                view = services.apply_changeset(
                    subject_id=self.somebodies[who].id,
                    kind=ChangesetKind(kind),
                    merges=[merge] if kind == "merge" else (),
                    retirements=[] if kind == "merge" else [out],
                    dry_run=pick % 5 == 0,
                )
            except KarenError:
                return False
            if kind == "merge" and made and pick % 5:
                (self._marks.of_memories[word],) = (
                    each.memory_id for each in view.entries if not each.before
                )
            return True

    @operation(who=_WHO, pick=_PICK)
    def undo(self, who: int, pick: int) -> bool:
        with self._as(who):
            rows = Changeset.objects.filter(subject=self.somebodies[who].id)
            ids = list(rows.order_by("created_at", "pk").values_list("pk", flat=True))
            if not ids:
                return False
            chosen = ids[-1 - pick % min(len(ids), 3)]
            return self._try(services.undo_changeset, changeset_id=chosen)

    @operation(who=_WHO, pick=_PICK)
    def die_while_consolidating(self, who: int, pick: int) -> bool:
        with self._as(who):
            memory = self._one(pick, live=True)
            if memory is None:
                return False
            claim(memory.pk)
            return True

    @operation(who=_WHO)
    def consolidate(self, who: int) -> bool:
        with self._as(who):
            if self._mine().count() < 3:
                self._remember_several(who)
            done = services.consolidate(subject_id=self.somebodies[who].id)
            return bool(done.merged or done.told)

    @operation(who=_WHO)
    def embed(self, who: int) -> bool:
        with self._as(who, everybody=True):
            return services.embed_waiting() > 0

    @operation(who=_WHO, few=_YES, forgets=_YES)
    def sweep(self, who: int, few: bool, forgets: bool) -> bool:
        policy = PolicyView(
            per_subject_max=12 if few else 20_000,
            retention_days=3_000 if forgets else None,
            said_retention_days=3 if forgets else None,
        )
        with self._as(who, everybody=True):
            self._try(services.change_memory_policy, wanted=policy)
            swept = services.sweep_memories()
            left = Memory.objects.filter(status=MemoryStatus.CONSOLIDATING)
            assert not left.exists(), "the sweep gives back what a dead consolidation held"
            return any(swept.values())

    @operation(who=_WHO, word=_WORDS, everything=st.integers(0, 9))
    def forget_much(self, who: int, word: str, everything: int) -> bool:
        with self._as(who):
            if everything == 0:
                return self._try(services.forget_all)
            if everything == 1:
                return self._try(services.forget_all, with_said=False)
            return self._try(services.forget_about, topic=word)

    @operation(who=_WHO, query=_TEXTS)
    def ask(self, who: int, query: str) -> bool:
        """What is recalled is one's own, in use, and said or remembered still."""
        subject_id = self.somebodies[who].id
        with self._as(who):
            found = recall(query=query, subject_id=subject_id, k=50, within_s=30)
            mine = set(Memory.objects.filter(subject_id=subject_id, place__isnull=False)
                       .values_list("pk", flat=True))  # fmt: skip
            mine |= set(self._messages())
            self._law("recalled what is not theirs, or not in use", {e.id for e in found} - mine)
            return bool(found)

    @operation(who=_WHO)
    def take_along(self, who: int) -> bool:
        """The export holds all of one's own and nothing else."""
        somebody = self.somebodies[who]
        with self._as(who):
            lines = run_async(self._exported(somebody))
            told = {UUID(each["id"]) for each in lines[1:]}
            mine = {row.pk for row in self._mine()} | set(self._messages())
            self._law("the export lacks or adds something", told ^ mine)
            return bool(told)

    @staticmethod
    async def _exported(somebody: Somebody) -> list[dict[str, Any]]:
        lines = export_lines(subject_id=somebody.id, tenant=somebody.tenant, with_said=True)
        return [json.loads(line) async for line in lines]

    @operation(who=_WHO)
    def write_files(self, who: int) -> None:
        """The files of analytics hold no word of anybody."""
        with self._as(who):
            analytics.export()
        with duckdb.connect() as reader:
            for table in TABLES_OF_FILES:
                files = Path(settings.MEMORY_ANALYTICS_ROOT) / "*" / table / "*.parquet"
                rows = reader.execute("SELECT * FROM read_parquet(?)", [str(files)]).fetchall()
                self._law("words in a file of analytics", MARK.findall(str(rows)))

    def _law(self, name: str, broken: object) -> None:
        """Demand that nothing breaks a law; say which, by what, and after which steps."""
        if broken:
            steps = "\n  ".join(self.journal[-_TOLD:])
            message = f"law broken: {name}\n{broken}\nafter {len(self.journal)} steps:\n  {steps}"
            raise AssertionError(message)

    def _prepare(self, cursor: Any) -> None:
        """Have the laws planned once for a connection: that costs more than asking them."""
        if self.prepared is connection.connection:
            return
        self.prepared = connection.connection
        cursor.execute("DEALLOCATE ALL")
        for schema in self.schemas:
            cursor.execute(f"PREPARE laws_{schema} AS {in_schema(COUNTED, schema)}")
            cursor.execute(f"PREPARE texts_{schema} AS {in_schema(TEXTS, schema)}")
        prints = [in_schema(PRINTS.format(schema=each), each) for each in self.schemas]
        cursor.execute(f"PREPARE prints AS {' UNION ALL '.join(prints)}")

    @invariant()
    def nothing_is_that_must_not_be(self) -> None:
        """Count what breaks a law where something happened, and see that only that changed."""
        with connection.cursor() as cursor:
            self._prepare(cursor)
            for schema in sorted({schema for schema, _pk in self.touched}):
                cursor.execute(f"EXECUTE laws_{schema}")
                for name, count in cursor.fetchall():
                    self._law(name, count)
                cursor.execute(f"EXECUTE texts_{schema}")
                left = self.marks[schema].left(cursor.fetchall())
                self._law("something is left of what was forgotten", left)
            cursor.execute("EXECUTE prints")
            prints = {(schema, pk): found for schema, pk, found in cursor.fetchall()}
        changed = {
            key for key in {*prints, *self.prints} if prints.get(key) != self.prints.get(key)
        }
        self._law("somebody's rows changed by another's operation", changed - self.touched)
        self.prints, self.touched = prints, set()
