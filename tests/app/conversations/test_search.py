"""Search over REST: what is found, why, in which order, and what never is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.conversations import hub
from apps.conversations.search import indexing, meaning
from apps.core import ratelimit, scope
from apps.core.clock import now
from apps.core.scope import TenantRef
from apps.providers import registry
from tests.app.conversations.search_scene import told
from tests.factories import twin_conversations
from tests.fixtures.budgets import Budget
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(committed: World, people: People, browser_of: BrowserOf) -> Ask:
    """Search as acme's owner, or as somebody else."""

    def asked(
        q: str = "", *, who: UUID | None = None, tenant: TenantRef | None = None, **more: Any
    ) -> dict[str, Any]:
        client = browser_of(who or people.ann, tenant or committed.acme)
        answer = client.get("/api/v1/search", {"q": q, **more})
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body

    return asked


def ids(body: dict[str, Any]) -> list[str]:
    return [hit["message_id"] or hit["conversation_id"] for hit in body["results"]]


def marked(hit: dict[str, Any]) -> list[str]:
    return [piece["text"] for piece in hit["fragments"] if piece["marked"]]


def test_all_words_must_occur_in_any_order_and_form(
    committed: World, people: People, ask: Ask
) -> None:
    _, (both, _one) = told(
        committed.acme, people.ann, "Running quick tests in Köln", "only tests here"
    )

    body = ask("koln TEST run")

    assert ids(body) == [str(both)]
    assert body["results"][0]["matched"][0] == "words"
    assert marked(body["results"][0]) == ["Running", "tests", "Köln"]


def test_the_last_word_may_be_unfinished_unless_a_blank_follows(
    committed: World, people: People, ask: Ask
) -> None:
    _, (message,) = told(committed.acme, people.ann, "the zeppelin lands")

    assert ids(ask("the zepp")) == [str(message)]
    assert marked(ask("zepp")["results"][0]) == ["zeppelin"]
    assert ids(ask("zepp ")) == []


def test_a_phrase_must_stand_side_by_side(committed: World, people: People, ask: Ask) -> None:
    _, (apart, together) = told(
        committed.acme, people.ann, "york is new to me", "I love New York, always"
    )

    body = ask('"new york"')

    assert ids(body) == [str(together)]
    assert marked(body["results"][0]) == ["New York"]
    assert str(apart) not in ids(body)


def test_a_phrase_does_not_match_across_the_words_and_their_stems(
    committed: World, people: People, ask: Ask
) -> None:
    told(committed.acme, people.ann, "alpha beta gamma")

    assert ids(ask('"gamma alpha"')) == []


def test_excluded_words_and_phrases_must_not_occur(
    committed: World, people: People, ask: Ask
) -> None:
    _, (plain, loud, _) = told(
        committed.acme, people.ann, "invoice for May", "invoice urgent", "invoice very late"
    )

    assert ids(ask('invoice -urgent -"very late"')) == [str(plain)]
    assert ids(ask("invoice -may")) != [str(plain)]
    assert str(loud) in ids(ask("invoice -may"))


def test_only_exclusions_list_the_newest_others(committed: World, people: People, ask: Ask) -> None:
    _, (kept, _out) = told(committed.acme, people.ann, "keep this", "drop that")

    body = ask("-drop")

    assert ids(body) == [str(kept)]
    assert body["results"][0]["matched"] == ["newest"]


def test_a_mistyped_word_finds_what_was_meant(committed: World, people: People, ask: Ask) -> None:
    _, (message,) = told(committed.acme, people.ann, "please receive the перевозка 収納 package")

    for typed, meant in (
        ("recieve", "receive"),
        ("pakcage ", "package"),
        ("превозка ", "перевозка"),
    ):
        body = ask(typed)
        assert ids(body) == [str(message)], typed
        assert body["results"][0]["matched"][0] == "typo"
        assert marked(body["results"][0]) == [meant]
        assert body["corrections"] == [{"typed": typed.strip(), "taken_for": meant}]


def test_other_peoples_words_are_never_shown_as_corrections(
    committed: World, people: People, ask: Ask
) -> None:
    told(committed.acme, people.bea, "confidential acquisition")

    body = ask("confidentail ")

    assert body["results"] == []
    assert body["corrections"] == []


def test_scripts_without_blanks_are_searched_inside(
    committed: World, people: People, ask: Ask
) -> None:
    _, (message, _) = told(committed.acme, people.ann, "全文検索は便利です", "索検")

    body = ask("検索")

    assert ids(body) == [str(message)]
    assert marked(body["results"][0]) == ["検索"]


def test_a_title_is_found(committed: World, people: People, ask: Ask) -> None:
    conversation, _ = told(committed.acme, people.ann, "hello", title="Holiday plans")

    (hit,) = ask("holiday")["results"]

    assert hit["conversation_id"] == str(conversation)
    assert hit["message_id"] is None
    assert hit["matched"] == ["title"]
    assert marked(hit) == ["Holiday"]


def test_a_hit_says_where_to_jump_and_what_it_is(
    committed: World, people: People, ask: Ask
) -> None:
    conversation, (_, answer) = told(
        committed.acme, people.ann, "question", "the marmalade answer", title="Breakfast"
    )

    (hit,) = ask("marmalade")["results"]

    assert hit["conversation_id"] == str(conversation)
    assert hit["message_id"] == str(answer)
    assert hit["title"] == "Breakfast"
    assert (hit["role"], hit["model"], hit["author_id"]) == ("assistant", "echo/plain", None)
    assert hit["snippet"] == "the marmalade answer"
    assert hit["score"] > 0


def test_a_long_message_is_shown_around_what_was_found(
    committed: World, people: People, ask: Ask
) -> None:
    told(committed.acme, people.ann, "lorem " * 500 + "<b>needle</b> " + "ipsum " * 500)

    (hit,) = ask("needle")["results"]

    assert len(hit["snippet"]) < 260
    assert marked(hit) == ["needle"]
    assert "<b>" in hit["snippet"]  # text is text: clients show it as such
    assert hit["snippet"].startswith("… ")
    assert hit["snippet"].endswith(" …")


def test_filters_narrow(committed: World, people: People, ask: Ask) -> None:
    long_ago = now() - timedelta(days=30)
    first, (question, answer) = told(
        committed.acme,
        people.ann,
        "topic one",
        "topic reply",
        at=long_ago,
        parts=[{"type": "attachment", "name": "budget.xlsx"}],
    )
    _, (other, _) = told(committed.acme, people.ann, "topic two", "topic more", model="other/model")

    assert set(ids(ask("topic", conversation=str(first)))) == {str(question), str(answer)}
    assert set(ids(ask("topic", role="user"))) == {str(question), str(other)}
    assert set(ids(ask("topic", author="me"))) == {str(question), str(other)}
    assert ids(ask("topic", author=str(people.bea))) == []
    assert ids(ask("topic", model="echo/plain")) == [str(answer)]
    assert ids(ask("topic", has_file="true")) == [str(question)]
    assert set(ids(ask("topic", before=(now() - timedelta(days=1)).isoformat()))) == {
        str(question),
        str(answer),
    }
    assert str(question) not in ids(ask("topic", after=(now() - timedelta(days=1)).isoformat()))
    assert ids(ask("budget")) == [str(question)]


def test_without_words_the_newest_messages_come_first_page_by_page(
    committed: World, people: People, ask: Ask
) -> None:
    moments = [now() - timedelta(hours=hours) for hours in range(7)]
    made = [told(committed.acme, people.ann, f"m{n}", at=at)[1][0] for n, at in enumerate(moments)]

    seen: list[str] = []
    cursor = ""
    while True:
        body = ask("", limit=3, cursor=cursor)
        seen += ids(body)
        cursor = body["next"]
        if not cursor:
            break

    assert seen == [str(pk) for pk in made]


def test_pages_of_hits_join_without_gaps_or_repeats(
    committed: World, people: People, ask: Ask
) -> None:
    told(committed.acme, people.ann, *[f"plum number {n}" for n in range(11)])

    whole = ids(ask("plum", limit=50))
    seen: list[str] = []
    cursor = ""
    while True:
        body = ask("plum", limit=4, cursor=cursor)
        seen += ids(body)
        cursor = body["next"]
        if not cursor:
            break

    assert seen == whole
    assert len(set(seen)) == 11
    assert ids(ask("plum", limit=50)) == whole


def test_nobody_finds_what_belongs_to_somebody_else(
    committed: World, people: People, ask: Ask
) -> None:
    conversation, _ = told(committed.acme, people.ann, "private pineapple", title="pineapple")

    body = ask("pineapple", who=people.bea)
    narrowed = ask("", who=people.bea, conversation=str(conversation))
    named = ask("", who=people.bea, author=str(people.ann))

    assert body["results"] == narrowed["results"] == named["results"] == []


def test_equal_ids_and_texts_in_two_workspaces_do_not_cross(
    committed: World, people: People, ask: Ask
) -> None:
    refs = (committed.acme, committed.globex)
    conversation, message = twin_conversations(owner_id=people.bea, tenants=refs)
    for ref in refs:
        with scope.tenant_scope(ref), scope.correlation_scope():
            indexing.index_conversation(conversation_id=conversation)

    for ref, other in (refs, refs[::-1]):
        (hit,) = ask("secret", who=people.bea, tenant=ref)["results"]
        assert hit["message_id"] == str(message)
        assert hit["snippet"] == f"secret of {ref.slug}"
        assert ask(f'"secret of {other.slug}"', who=people.bea, tenant=ref)["results"] == []


@pytest.mark.parametrize(
    "text",
    [
        "'",
        "'' | & ! ( ) :* <->",
        "\\'; DROP TABLE conversations_message; --",
        '"unclosed',
        '""',
        "-",
        "--",
        "%s %(x)s {0}",
        "the",
        "a" * 500,
        "\u0301\u0301",
        "🎉",
        "\ud7ff\uffff",
    ],
)
def test_no_text_breaks_the_search(committed: World, people: People, ask: Ask, text: str) -> None:
    told(committed.acme, people.ann, "something to find")

    assert isinstance(ask(text)["results"], list)


@pytest.mark.parametrize(
    "query",
    [
        {"q": "x" * 501},
        {"q": "a\x00b"},
        {"limit": "0"},
        {"limit": "51"},
        {"conversation": "no"},
        {"author": "somebody"},
        {"role": "king"},
        {"before": "yesterday"},
        {"q": "word", "cursor": "abc"},
        {"q": "", "cursor": "e30"},
        {"q": "word", "cursor": "WyJyIiwibmFuIiwiMDAiXQ"},
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(
    committed: World, people: People, browser_of: BrowserOf, query: dict[str, str]
) -> None:
    answer = browser_of(people.ann, committed.acme).get("/api/v1/search", query)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_input"
    assert answer.json()["error"]["details"]["fields"]


def test_searching_too_often_is_refused_with_a_time_to_wait(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme):
        while ratelimit.take(hub._searches, people.ann.hex).allowed:
            pass

    refused = client.get("/api/v1/search")

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1


@pytest.mark.parametrize("q", ["hello", "helo ", "", '"hello there"'])
def test_how_many_statements_a_search_needs(
    committed: World, people: People, browser_of: BrowserOf, budget: Budget, q: str
) -> None:
    told(committed.acme, people.ann, "hello there")
    client = browser_of(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme):  # asked once a minute, not with every search
        meaning.list_old_models(registry.embedder().model)

    with budget(f"GET /api/v1/search?q={q}"):
        answer = client.get("/api/v1/search", {"q": q})

    assert answer.status_code == 200
