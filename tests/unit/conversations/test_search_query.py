"""Laws of what people type, of words and spelling, of snippets, ranks and Elasticsearch bodies."""

import json
import re
import unicodedata
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from apps.conversations.search.contracts import Candidate, Filters, Match
from apps.conversations.search.elastic_queries import only_tenant, search_body, tenant_body
from apps.conversations.search.fusion import fuse_ranks
from apps.conversations.search.postgres import tsquery_of
from apps.conversations.search.query import ParsedQuery, parse_query
from apps.conversations.search.snippets import SNIPPET_LENGTH, find_spans, snippet_of
from apps.conversations.search.words import (
    WORD_LENGTH_MAX,
    cut_words,
    folded,
    mistakes,
    mistakes_allowed,
    spelling_keys,
)
from apps.providers.contracts import Role

typed = st.text(max_size=200) | st.text(alphabet="ab \"-'\\:*&|!()<>检é\u0301 \n", max_size=60)
words = st.text(alphabet="abcdefgh", min_size=4, max_size=12)


@given(typed)
def test_every_text_means_something_and_only_clean_words_come_out(text: str) -> None:
    parsed = parse_query(text)

    flat = [*parsed.wanted, *(word for phrase in parsed.without for word in phrase)]
    assert all(word and word == folded(word) for word in flat)
    assert not any(set(word) & set("'\"\\:*&|!()<> \t\n\x00") for word in flat)


@given(typed)
def test_nothing_typed_becomes_sql(text: str) -> None:
    tsquery = tsquery_of(parse_query(text))

    if tsquery is not None:
        spoken = set(tsquery.text.replace("plainto_tsquery('english', %s)", "").split())
        assert all(set(piece) <= set("()|&!%s:tquery") for piece in spoken)
        assert tsquery.text.count("%s") == len(tsquery.params)


@pytest.mark.parametrize(
    "text,meaning",
    [
        ("", ParsedQuery()),
        ("Héllo wor", ParsedQuery(words=("hello",), prefix="wor")),
        ("hello ", ParsedQuery(words=("hello",))),
        ('"New York" is', ParsedQuery(prefix="is", phrases=(("new", "york"),))),
        ('"unclosed phrase', ParsedQuery(phrases=(("unclosed", "phrase"),))),
        ('say -bad -"very bad" ', ParsedQuery(words=("say",), without=(("bad",), ("very", "bad")))),
        ("well-known ", ParsedQuery(words=("well", "known"))),
        ("a - b ", ParsedQuery(words=("a", "b"))),
        ("me@example.com", ParsedQuery(words=("me", "example"), prefix="com")),
        ("twice twice ", ParsedQuery(words=("twice",))),
        ("全文検索", ParsedQuery(phrases=(("全", "文", "検", "索"),))),
        ("Straße", ParsedQuery(prefix="strasse")),
        ("ﬁne½ ", ParsedQuery(words=("fine12",))),
        ("c", ParsedQuery(words=("c",))),
        ("snake_case ", ParsedQuery(words=("snake", "case"))),
    ],
)
def test_what_is_typed_is_understood(text: str, meaning: ParsedQuery) -> None:
    assert parse_query(text) == meaning


@given(st.text(max_size=300))
def test_words_are_cut_from_where_they_say_they_stand(text: str) -> None:
    tokens = list(cut_words(text))

    assert [t.start for t in tokens] == sorted(t.start for t in tokens)
    for token in tokens:
        assert 0 < len(token.word) <= WORD_LENGTH_MAX
        assert folded(text[token.start : token.end]) == token.word


@given(st.text(max_size=60))
def test_composed_and_decomposed_accents_are_the_same_words(text: str) -> None:
    composed = [t.word for t in cut_words(unicodedata.normalize("NFC", text))]
    decomposed = [t.word for t in cut_words(unicodedata.normalize("NFD", text))]

    assert composed == decomposed


@given(words, st.data())
def test_words_that_differ_by_one_mistake_share_a_key(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abcxyz"))
    edits = [
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
    ]
    for other in edits:
        if mistakes_allowed(other) == mistakes_allowed(word):
            assert set(spelling_keys(word)) & set(spelling_keys(other)), other
        assert mistakes(word, other) <= 1


@given(words, words)
def test_mistakes_are_counted_the_same_both_ways(left: str, right: str) -> None:
    assert mistakes(left, right) == mistakes(right, left)
    assert (mistakes(left, right) == 0) == (left == right)


@given(st.text(max_size=1000), st.sets(st.sampled_from("abcdefgh"), max_size=3))
def test_a_snippet_is_a_piece_of_the_text_and_marks_only_what_was_wanted(
    text: str, wanted: set[str]
) -> None:
    spans = find_spans(list(cut_words(text)), is_wanted=wanted.__contains__, phrases=[])
    fragments = snippet_of(text, spans)

    joined = "".join(f.text for f in fragments).removeprefix("… ").removesuffix(" …")
    assert joined in text or not text
    assert len(joined) <= SNIPPET_LENGTH
    for fragment in fragments:
        if fragment.marked:
            assert {t.word for t in cut_words(fragment.text)} & wanted


entries = st.lists(st.uuids(), max_size=20, unique=True)


@given(entries, entries)
def test_fused_ranks_are_complete_unique_and_in_a_fixed_order(
    left: list[UUID], right: list[UUID]
) -> None:
    def candidates(ids: list[UUID]) -> list[Candidate]:
        return [Candidate(entry_id=pk, score=1.0) for pk in ids]

    lists = {Match.WORDS: candidates(left), Match.MEANING: candidates(right)}
    fused = fuse_ranks(lists)

    assert {f.entry_id for f in fused} == {*left, *right}
    assert len(fused) == len({*left, *right})
    assert [f.entry_id for f in fused] == [
        f.entry_id for f in fuse_ranks(dict(reversed(lists.items())))
    ]
    keys = [(-f.score, -f.entry_id.int) for f in fused]
    assert keys == sorted(keys)


filters = st.builds(
    Filters,
    conversation_id=st.none() | st.uuids(),
    author_id=st.none() | st.uuids(),
    role=st.none() | st.sampled_from([Role.USER, Role.ASSISTANT]),
    model=st.none() | st.text(max_size=10),
    has_file=st.none() | st.booleans(),
    since=st.none() | st.datetimes(),
    before=st.none() | st.datetimes(),
)


@given(
    st.uuids(),
    st.none() | st.uuids(),
    st.lists(st.uuids(), max_size=3),
    typed,
    filters,
    st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=5)), max_size=2),
)
def test_every_query_to_elasticsearch_is_confined_to_one_workspace(
    tenant: UUID,
    owner: UUID | None,
    others: list[UUID],
    text: str,
    wanted: Filters,
    alternatives: dict[str, list[str]],
) -> None:
    confined = {"term": {"tenant_id": str(tenant)}}
    body = search_body(
        tenant_id=tenant,
        seen_by=(owner, others),
        parsed=parse_query(text),
        filters=wanted,
        alternatives=alternatives,
    )

    for query in (body["query"], tenant_body(tenant)["query"]):
        assert set(query) == {"bool"}
        assert query["bool"]["filter"] == [confined]
        assert set(query["bool"]) == {"filter", "must"}  # nothing beside it that could widen it
    inner = body["query"]["bool"]["must"][0]["bool"]["filter"][0]["bool"]
    assert inner["minimum_should_match"] == 1  # and to what the person may see
    json.dumps(body)


def test_only_one_function_sends_queries_and_it_uses_wrapped_bodies() -> None:
    """Two places query the server; both bodies come from functions that use `only_tenant`."""
    source = (Path(__file__).parents[3] / "apps/conversations/search/elastic.py").read_text()
    calls = re.findall(r"client\.(search|count|msearch|delete_by_query|update_by_query)\(", source)

    assert sorted(calls) == ["delete_by_query", "search"]
    assert len(re.findall(r"body=(?:body|tenant_body\()", source)) == 2
    assert only_tenant(UUID(int=1), {})["bool"]["filter"]
