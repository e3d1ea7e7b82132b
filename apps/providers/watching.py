"""The watchdog: asks providers that failed lately whether they answer again, free of charge.

What is asked is the list of models: it costs nothing and needs no completion. Who had no failures
is left alone. The list shows that a server is back; it shows that a key is accepted only where the
same list is refused without the key.

A list says little about a single model, so a breaker is closed at most once in `CLOSE_EVERY_S`;
one that opens again at once is left to its own probes.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

import redis
from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from apps.core import keys, scope
from apps.core.clock import now
from apps.core.concurrency import platform_db, run_async
from apps.core.crypto import UnsealError
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis
from apps.core.scope import TenantRef
from apps.providers import breaker, catalogue, configuration, health, metrics, sources
from apps.providers.breaker import Place, State
from apps.providers.calling import REFUSED_KEY_S
from apps.providers.configuration import Source
from apps.providers.domain.examination import Ending
from apps.providers.domain.settings import BUILT_IN_ADAPTER
from apps.providers.models import Model, Provider
from apps.providers.registry import Endpoint
from apps.providers.services.refused_keys import note_key_accepted, note_key_refused
from apps.tenants import selectors as tenants
from apps.tenants.errors import TenantNotFound

logger = get_logger(__name__)

LATELY_S = 300.0
CLOSE_EVERY_S = 300
KEY_EVERY_S = 300  # a refused key is tried so often, for a day; a new one is used at once
KEY_FOR = timedelta(days=1)
AT_ONCE = 8
AT_MOST = 200  # in one run; which ones is drawn, so that nobody is always left out
ASK_S = 4.0
TOTAL_S = 20.0
_FORGOTTEN_S = 3600.0  # after which Redis forgets a breaker
_INSTALLED = "openai"

_REFUSED = frozenset({Ending.KEY_REFUSED, Ending.NO_CREDIT})
_AWAY = frozenset(
    {
        Ending.NAME_UNKNOWN,
        Ending.NO_CONNECTION,
        Ending.CONNECT_TIMEOUT,
        Ending.TLS,
        Ending.SERVER_ERROR,
        Ending.ANSWER_TIMEOUT,
        Ending.ANSWER_CUT,
    }
)

Ask: TypeAlias = Callable[[Endpoint], Awaitable[Ending]]


@dataclass(slots=True, kw_only=True)
class _Watched:
    """A provider that is asked, and the breakers of its models that are not closed."""

    owner: str
    tenant: TenantRef | None
    endpoint: Endpoint
    source: Source | None = None
    states: dict[Place, State] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.source.id.hex if self.source is not None else _INSTALLED

    @property
    def is_refused(self) -> bool:
        refused = any(state.key_refused for state in self.states.values())
        return refused or (self.source is not None and self.source.key_refused)


def watch_providers(*, ask: Ask | None = None, total_s: float = TOTAL_S) -> None:
    """Ask whoever failed lately; close the breakers of those that answer, note refused keys.

    Bounded in number and time; a repeat asks again and changes nothing.

    Args:
        ask: Tells how asking an endpoint for its models ends; by itself over HTTP.
        total_s: Seconds after which whoever has not answered waits for the next run.
    """
    try:
        troubled = health.troubled(within_s=_FORGOTTEN_S)
        states = breaker.states_of({owner for owner, _model in troubled})
    except redis.RedisError:
        logger.warning("watch.put_off")
        return
    watched = _watched(_worth_asking(troubled, states), states)
    if len(watched) > AT_MOST:
        watched = random.sample(watched, AT_MOST)  # a fair draw, no secret
    if watched:
        run_async(_ask_all(watched, ask or _ask_for_models, total_s))


def _worth_asking(troubled: Mapping[Place, float], states: Mapping[Place, State]) -> list[Place]:
    recent = time.time() - LATELY_S
    return [
        place
        for place, at in troubled.items()
        # A pause that the provider asked for ends by itself.
        if (not states[place].is_asked if place in states else at > recent)
    ]


# -- who is asked


def _watched(places: Iterable[Place], states: Mapping[Place, State]) -> list[_Watched]:
    by_owner: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        by_owner[place[0]].append(place)
    rows = _rows(by_owner)
    refs = {ref.id: ref for ref in tenants.list_refs()} if rows else {}
    watched = []
    for row, mine in rows.values():
        if row.tenant_id is not None and row.tenant_id not in refs:
            continue  # suspended, or gone
        each = _of_row(row, refs.get(row.tenant_id) if row.tenant_id else None)
        if each is not None:
            each.states = {place: states[place] for place in mine if place in states}
            watched.append(each)
    taken = {place for _row, mine in rows.values() for place in mine}
    watched += _installed([p for p in by_owner[keys.PLATFORM] if p not in taken], states)
    return watched


def _rows(by_owner: Mapping[str, Sequence[Place]]) -> dict[UUID, tuple[Provider, list[Place]]]:
    """Return the providers that are configured as rows, each with its models that failed."""
    owners = [UUID(owner) for owner in by_owner if owner != keys.PLATFORM]
    slugs = {model.partition("/")[0] for places in by_owner.values() for _owner, model in places}
    failed = Q(slug__in=slugs) & (Q(tenant_id__in=owners) | Q(tenant_id__isnull=True))
    refused = Q(key_refused_at__gt=now() - KEY_FOR)
    rows = Provider.objects.filter(
        failed | refused, is_enabled=True, simulate_failure=False, adapter=BUILT_IN_ADAPTER
    )
    found: dict[UUID, tuple[Provider, list[Place]]] = {row.id: (row, []) for row in rows}
    for model in Model.objects.filter(provider_id__in=found):
        row, mine = found[model.provider_id]
        owner = row.tenant_id.hex if row.tenant_id else keys.PLATFORM
        place = (owner, f"{row.slug}/{model.name}")
        if place in by_owner.get(owner, ()):
            mine.append(place)
    return {
        row_id: (row, mine) for row_id, (row, mine) in found.items() if mine or row.key_refused_at
    }


def _of_row(row: Provider, tenant: TenantRef | None) -> _Watched | None:
    source = configuration.source_of_row(row)
    try:
        endpoint = sources.endpoint_of(source)
    except (UnsealError, TenantNotFound):
        logger.warning("watch.key_unreadable", provider=row.slug)
        return None
    owner = tenant.id.hex if tenant else keys.PLATFORM
    return _Watched(owner=owner, tenant=tenant, endpoint=endpoint, source=source)


def _installed(places: Sequence[Place], states: Mapping[Place, State]) -> list[_Watched]:
    """Return the installation's own endpoint, if models of it are among these."""
    offered = {model.id for model in catalogue.openai_models()}
    mine = [place for place in places if place[1] in offered]
    if not mine:
        return []
    endpoint = Endpoint(
        base_url=catalogue.installed_endpoint(),
        api_key=settings.OPENAI_API_KEY,
        allow_private=True,
    )
    found = {place: states[place] for place in mine if place in states}
    return [_Watched(owner=keys.PLATFORM, tenant=None, endpoint=endpoint, states=found)]


# -- asking


async def _ask_for_models(endpoint: Endpoint) -> Ending:
    # By dotted path: the SDK beside it takes half a second to import.
    fetch: Any = import_string("apps.providers.adapters.examining.fetch_models")
    listing = await fetch(endpoint, total_s=ASK_S)
    ending: Ending = listing.report.ending
    return ending


async def _ask_all(watched: Sequence[_Watched], ask: Ask, total_s: float) -> None:
    turnstile = asyncio.Semaphore(AT_ONCE)

    async def one(each: _Watched) -> None:
        async with turnstile:
            with scope.tenant_scope(each.tenant):
                await _ask_one(each, ask)

    try:
        async with asyncio.timeout(total_s):
            outcomes = await asyncio.gather(*map(one, watched), return_exceptions=True)
    except TimeoutError:
        logger.warning("watch.out_of_time", count=len(watched))
        return
    for outcome in outcomes:
        if isinstance(outcome, BaseException):  # the others had their turn
            raise outcome


async def _ask_one(watched: _Watched, ask: Ask) -> None:
    if watched.is_refused and not await _is_due(watched.owner, "key", watched.name, KEY_EVERY_S):
        return
    ending = await ask(watched.endpoint)
    metrics.WATCHED.labels(ending.value).inc()
    logger.info("provider.watched", provider=watched.name, ending=ending.value)
    if ending is Ending.OK:
        await _welcome(watched, ask)
    elif ending in _REFUSED:
        await _note_refusal(watched)
    elif ending in _AWAY:
        await _keep_open(watched)


async def _welcome(watched: _Watched, ask: Ask) -> None:
    for place, state in watched.states.items():
        due = not state.key_refused and await _is_due(place[0], "close", place[1], CLOSE_EVERY_S)
        if due:
            await breaker.close(place)
    if not watched.is_refused or not watched.endpoint.api_key:
        return
    without = await ask(replace(watched.endpoint, api_key=""))
    if without not in {*_REFUSED, Ending.FORBIDDEN}:
        return  # everybody gets this list: it says nothing about the key
    if watched.source is not None:
        await platform_db(note_key_accepted, watched.source)
    for place, state in watched.states.items():
        if state.key_refused:
            await breaker.close(place)


async def _note_refusal(watched: _Watched) -> None:
    if watched.source is not None:
        await platform_db(note_key_refused, watched.source)
        return
    for place in watched.states:
        await breaker.note_failure(place, open_s=REFUSED_KEY_S, key_refused=True)


async def _keep_open(watched: _Watched) -> None:
    """Have breakers whose pause is over not be tried with somebody's question."""
    for place, state in watched.states.items():
        if state.until <= time.time() and not state.key_refused:
            await breaker.note_failure(place)


async def _is_due(owner: str, what: str, name: str, every_s: int) -> bool:
    """Say whether this was not done for a while, in any process; counts as done then."""
    key = keys.named_key(owner, "watched", what, name)
    try:
        return bool(await async_redis(RedisRole.CACHE).set(key, 1, nx=True, ex=every_s))
    except redis.RedisError:
        return False
