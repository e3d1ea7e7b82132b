"""What Elasticsearch is asked and told: mappings, documents, query bodies. Pure.

One index holds every workspace. So each query is wrapped by `only_tenant`, here and nowhere else,
and is sent with the workspace's routing; what comes back is looked up in PostgreSQL once more.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.conversations.search.contracts import Filters
from apps.conversations.search.query import ParsedQuery

MAPPING_VERSION = 1  # raise it with every change of `TEMPLATE`, then run `rebuild_search`
CANDIDATES_MAX = 100

Body = dict[str, Any]

# Words are cut and folded by `search.words` before they come here, as for PostgreSQL: both find
# the same, and no language plugin is needed.
TEMPLATE: Mapping[str, Any] = {
    "settings": {
        "number_of_shards": 3,
        "analysis": {
            "filter": {"english_stems": {"type": "stemmer", "language": "english"}},
            "analyzer": {
                "as_written": {"type": "custom", "tokenizer": "whitespace"},
                "stemmed": {
                    "type": "custom",
                    "tokenizer": "whitespace",
                    "filter": ["english_stems"],
                },
            },
        },
    },
    "mappings": {
        "dynamic": "strict",
        "_routing": {"required": True},
        "_source": {"enabled": True},
        "properties": {
            "tenant_id": {"type": "keyword"},
            "entry_id": {"type": "keyword"},
            "conversation_id": {"type": "keyword"},
            "owner_id": {"type": "keyword"},
            "kind": {"type": "keyword"},
            "role": {"type": "keyword"},
            "model": {"type": "keyword"},
            "author_id": {"type": "keyword"},
            "has_file": {"type": "boolean"},
            "created_at": {"type": "date"},
            "words": {
                "type": "text",
                "analyzer": "as_written",
                "fields": {"stem": {"type": "text", "analyzer": "stemmed"}},
            },
        },
    },
}


def document_id(tenant_id: UUID, entry_id: UUID) -> str:
    """Return a document's id; equal ids of two workspaces never meet."""
    return f"{tenant_id}:{entry_id}"


def entry_of(document: str) -> UUID:
    """Return the entry that a document's id names."""
    return UUID(document.rpartition(":")[2])


def only_tenant(tenant_id: UUID, query: Body) -> Body:
    """Return `query` confined to one workspace."""
    return {"bool": {"filter": [{"term": {"tenant_id": str(tenant_id)}}], "must": [query]}}


def search_body(
    *,
    tenant_id: UUID,
    seen_by: tuple[UUID | None, Sequence[UUID]],
    parsed: ParsedQuery,
    filters: Filters,
    alternatives: Mapping[str, Sequence[str]],
) -> Body:
    """Return the body of a search for words.

    Args:
        tenant_id: Whose documents.
        seen_by: Whose own conversations, and which further ones, may be looked into.
        parsed: What was typed.
        filters: What found messages must be like.
        alternatives: Other spellings that count for a word as well.
    """
    query = {
        "bool": {
            "filter": [_visible(*seen_by), *_conditions(filters)],
            "must": _terms(parsed, alternatives),
            "must_not": [*_elsewhere(filters), *(_phrase(phrase) for phrase in parsed.without)],
        }
    }
    return {
        "query": only_tenant(tenant_id, query),
        "size": CANDIDATES_MAX,
        "sort": [{"_score": "desc"}, {"created_at": "desc"}, {"entry_id": "desc"}],
        "_source": False,
        "track_total_hits": False,
        "track_scores": True,
    }


def tenant_body(tenant_id: UUID) -> Body:
    """Return the body that names everything of one workspace."""
    return {"query": only_tenant(tenant_id, {"match_all": {}})}


def _visible(owner_id: UUID | None, others: Sequence[UUID]) -> Body:
    ways: list[Body] = [{"terms": {"conversation_id": [str(other) for other in others]}}]
    if owner_id is not None:
        ways.append({"term": {"owner_id": str(owner_id)}})
    return {"bool": {"should": ways, "minimum_should_match": 1}}


def _elsewhere(filters: Filters) -> list[Body]:
    if filters.outside is None:
        return []
    return [{"term": {"conversation_id": str(filters.outside)}}]


def _conditions(filters: Filters) -> list[Body]:
    terms: dict[str, object] = {
        "conversation_id": filters.conversation_id and str(filters.conversation_id),
        "author_id": filters.author_id and str(filters.author_id),
        "role": filters.role and filters.role.value,
        "model": filters.model,
        "has_file": filters.has_file,
    }
    found: list[Body] = [{"term": {name: v}} for name, v in terms.items() if v is not None]
    if filters.about_messages:
        found.append({"term": {"kind": "message"}})
    span = {
        name: moment.isoformat()
        for name, moment in (("gte", filters.since), ("lt", filters.before))
        if moment is not None
    }
    return [*found, {"range": {"created_at": span}}] if span else found


def _terms(parsed: ParsedQuery, alternatives: Mapping[str, Sequence[str]]) -> list[Body]:
    terms = [
        _any_of([w for one in (word, *alternatives.get(word, ())) for w in _word(one)])
        for word in parsed.words
    ]
    if parsed.prefix is not None:
        others = [w for one in alternatives.get(parsed.prefix, ()) for w in _word(one)]
        beginning: Body = {"prefix": {"words": {"value": parsed.prefix}}}
        terms.append(_any_of([beginning, *_word(parsed.prefix), *others]))
    return [*terms, *(_phrase(phrase) for phrase in parsed.phrases)]


def _word(word: str) -> list[Body]:
    # As in PostgreSQL, a word as written counts four times as much as one of the same stem.
    return [
        {"match": {"words": {"query": word, "boost": 4}}},
        {"match": {"words.stem": {"query": word}}},
    ]


def _any_of(ways: list[Body]) -> Body:
    return {"bool": {"should": ways, "minimum_should_match": 1}}


def _phrase(phrase: Sequence[str]) -> Body:
    return {"match_phrase": {"words": " ".join(phrase)}}
