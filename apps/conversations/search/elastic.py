"""Search by Elasticsearch, where `ELASTICSEARCH_URL` is set: asking, telling, rebuilding.

PostgreSQL stays the truth: it holds the index too, says who may see what, and answers alone when
Elasticsearch does not.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from apps.conversations.search.contracts import Candidate, Filters
from apps.conversations.search.elastic_queries import (
    MAPPING_VERSION,
    TEMPLATE,
    document_id,
    entry_of,
    search_body,
    tenant_body,
)
from apps.conversations.search.query import ParsedQuery
from apps.conversations.search.visibility import visible_elsewhere
from apps.core import scope
from apps.core.clock import now
from apps.core.logging import get_logger
from apps.core.scope import Actor

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

logger = get_logger(__name__)
logging.getLogger("elastic_transport").setLevel(logging.WARNING)  # it tells of every request

_SEARCH_TIMEOUT_S = 2.0
_BULK_TIMEOUT_S = 30.0
_PAUSE_S = 10.0  # after a failure, searches do without for so long

Document = Mapping[str, Any]


class ElasticUnavailable(Exception):
    """Elasticsearch does not answer, or not as it should."""


def is_configured() -> bool:
    """Say whether this installation has an Elasticsearch."""
    return bool(settings.ELASTICSEARCH_URL)


def read_alias() -> str:
    """Return the name that searches ask."""
    return f"{settings.ELASTICSEARCH_PREFIX}-messages"


def write_alias() -> str:
    """Return the name that documents are written to; during a rebuild already the next index."""
    return f"{read_alias()}-write"


class _Pause:
    """Keeps searches from waiting for a server that did not answer a moment ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def begin(self) -> None:
        with self._lock:
            self._until = time.monotonic() + _PAUSE_S

    def end(self) -> None:
        with self._lock:
            self._until = 0.0

    @property
    def active(self) -> bool:
        with self._lock:
            return time.monotonic() < self._until


pause = _Pause()


@cache
def _client(url: str) -> "Elasticsearch":
    from elasticsearch import Elasticsearch  # an optional part that costs each process 15 MB

    # One attempt: a search has PostgreSQL to fall back on, a task its next run.
    return Elasticsearch(url.split(","), max_retries=0, retry_on_timeout=False)


@contextmanager
def _asking(timeout_s: float) -> "Iterator[Elasticsearch]":
    from elasticsearch import ApiError, SerializationError, TransportError  # as above

    try:
        yield _client(settings.ELASTICSEARCH_URL).options(request_timeout=timeout_s)
    except (ApiError, TransportError, SerializationError) as error:
        logger.warning("search.elasticsearch_failed", reason=type(error).__name__)
        raise ElasticUnavailable(type(error).__name__) from error


def answers() -> bool:
    """Say whether Elasticsearch is there, for the health page."""
    try:
        with _asking(1.0) as client:
            return bool(client.ping())
    except ElasticUnavailable:
        return False


# -- asking


def find_words(
    *,
    actor: Actor,
    parsed: ParsedQuery,
    filters: Filters,
    alternatives: Mapping[str, Sequence[str]],
) -> list[Candidate]:
    """Return what holds the wanted words, best first.

    Raises:
        ElasticUnavailable: It does not answer; not asked again for `_PAUSE_S` seconds.
    """
    if pause.active:
        raise ElasticUnavailable("pausing")
    tenant_id = scope.require().id
    body = search_body(
        tenant_id=tenant_id,
        seen_by=visible_elsewhere(actor, filters),
        parsed=parsed,
        filters=filters,
        alternatives=alternatives,
    )
    try:
        with _asking(_SEARCH_TIMEOUT_S) as client:
            answer = client.search(index=read_alias(), routing=str(tenant_id), body=body)
    except ElasticUnavailable:
        pause.begin()
        raise
    return [
        Candidate(entry_id=entry_of(hit["_id"]), score=float(hit["_score"]))
        for hit in answer["hits"]["hits"]
    ]


# -- telling


def write_documents(
    *, tenant_id: UUID, documents: Iterable[Document], gone: Iterable[UUID], refresh: bool = False
) -> None:
    """Write documents of one workspace and forget others.

    Args:
        tenant_id: Whose.
        documents: What `elastic_queries.TEMPLATE` maps, with `entry_id`.
        gone: Entries that are to be forgotten; unknown ones are fine.
        refresh: Make them findable before returning, for tests and rebuilds.

    Raises:
        ElasticUnavailable: It does not answer, or refuses one of them.
    """
    operations: list[Mapping[str, Any]] = []
    for document in documents:
        name = document_id(tenant_id, UUID(document["entry_id"]))
        operations += [{"index": {"_id": name, "routing": str(tenant_id)}}, document]
    for entry_id in gone:
        name = document_id(tenant_id, entry_id)
        operations.append({"delete": {"_id": name, "routing": str(tenant_id)}})
    if not operations:
        return
    ensure_index()
    _bulk(write_alias(), operations, refresh=refresh)


def _bulk(index: str, operations: Sequence[Mapping[str, Any]], *, refresh: bool) -> None:
    with _asking(_BULK_TIMEOUT_S) as client:
        answer = client.bulk(index=index, operations=operations, refresh=refresh)
    refused = [
        result
        for item in answer["items"]
        for action, result in item.items()
        # Forgetting what is not there, and creating what is, are what was wanted.
        if result["status"] >= 300 and (action, result["status"]) not in _HARMLESS
    ]
    if refused:
        reason = str(refused[0].get("error", {}).get("type", refused[0]["status"]))
        logger.error("search.elasticsearch_refused", count=len(refused), reason=reason)
        raise ElasticUnavailable(reason)


_HARMLESS = {("delete", 404), ("create", 409)}


def forget_tenant(*, tenant_id: UUID) -> None:
    """Forget everything of one workspace.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    with _asking(_BULK_TIMEOUT_S) as client:
        client.delete_by_query(
            index=[read_alias(), write_alias()],
            routing=str(tenant_id),
            body=tenant_body(tenant_id),
            conflicts="proceed",
            refresh=True,
            ignore_unavailable=True,
        )


# -- indices and aliases


def ensure_index() -> None:
    """Create the template, the first index and its aliases, unless they are there.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    with _asking(_BULK_TIMEOUT_S) as client:
        if not client.indices.exists_alias(name=write_alias()):
            # Of two workers that come here at once one is refused, for the name is taken.
            _create_index("first", aliases={read_alias(): {}, write_alias(): {}})


def _create_index(mark: str, *, aliases: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    name = f"{read_alias()}-v{MAPPING_VERSION}-{mark}"
    with _asking(_BULK_TIMEOUT_S) as client:
        client.indices.put_index_template(
            name=read_alias(), index_patterns=[f"{read_alias()}-v*"], template=TEMPLATE
        )
        client.indices.create(index=name, aliases=aliases)
    return name


def begin_rebuild() -> str:
    """Create the next index and have new documents written to it; searches still ask the old one.

    Returns:
        The next index's name.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    ensure_index()
    name = _create_index(f"{now():%Y%m%d%H%M%S%f}")
    _point(write=name)
    return name


def fill_index(*, name: str, tenant_id: UUID, documents: Sequence[Document]) -> None:
    """Write documents to an index that is being rebuilt, unless newer ones are there already.

    Raises:
        ElasticUnavailable: It does not answer, or refuses one of them.
    """
    operations: list[Mapping[str, Any]] = []
    for document in documents:
        doc = document_id(tenant_id, UUID(document["entry_id"]))
        operations += [{"create": {"_id": doc, "routing": str(tenant_id)}}, document]
    if operations:
        _bulk(name, operations, refresh=False)


def finish_rebuild(*, name: str) -> list[str]:
    """Have searches ask the new index, in one step, and drop the others.

    Returns:
        The names of those dropped.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    with _asking(_BULK_TIMEOUT_S) as client:
        client.indices.refresh(index=name)
        _point(read=name, write=name)
        present = client.indices.get(index=f"{read_alias()}-v*")
        old = sorted(set(present) - {name})
        for index in old:
            client.indices.delete(index=index)
    pause.end()
    return old


def _point(*, write: str, read: str | None = None) -> None:
    """Move the aliases; all of it happens at once."""
    wanted = {write_alias(): write} | ({read_alias(): read} if read else {})
    with _asking(_BULK_TIMEOUT_S) as client:
        actions: list[dict[str, Any]] = []
        for alias, index in wanted.items():
            if client.indices.exists_alias(name=alias):
                actions += [
                    {"remove": {"index": old, "alias": alias}}
                    for old in client.indices.get_alias(name=alias)
                    if old != index
                ]
            actions.append({"add": {"index": index, "alias": alias}})
        client.indices.update_aliases(actions=actions)
