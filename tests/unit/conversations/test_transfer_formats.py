"""Reading exports: ours, ChatGPT's, and whatever else somebody uploads."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from apps.conversations.domain.imported import BadTransfer
from apps.conversations.domain.transfer import read_conversations


def read(document: object) -> Any:
    return read_conversations(json.dumps(document).encode())


def chatgpt(**nodes: dict[str, Any]) -> dict[str, Any]:
    return {"title": "Theirs", "create_time": 1700000000.5, "mapping": nodes}


def node(
    text: str | None, parent: str | None = None, role: str = "user", **message: Any
) -> dict[str, Any]:
    said = None
    if text is not None:
        content = {"content_type": "text", "parts": [text]}
        said = {"author": {"role": role}, "content": content, **message}
    return {"parent": parent, "message": said, "children": []}


def ours(*messages: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {
        "format": "karen.conversation",
        "version": 1,
        "conversation": {"title": "Ours", **about},
        "messages": list(messages),
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(BadTransfer):
        read_conversations(content)


@given(JSON)
def test_any_json_is_read_or_refused(document: object) -> None:
    with suppress(BadTransfer):
        read(document)


_IDS = st.sampled_from(["a", "b", "c", "d", "e"])
_NODES = st.fixed_dictionaries(
    {
        "parent": _IDS | st.none() | JSON,
        "message": st.none()
        | JSON
        | st.fixed_dictionaries(
            {
                "author": JSON | st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"])}),
                "content": JSON
                | st.fixed_dictionaries(
                    {
                        "content_type": st.sampled_from(["text", "code", "multimodal_text"]),
                        "parts": JSON | st.lists(st.text() | JSON),
                        "text": JSON,
                    }
                ),
                "create_time": JSON,
                "metadata": JSON,
            }
        ),
    }
)


@given(st.dictionaries(_IDS, _NODES, min_size=1))
def test_a_broken_tree_is_refused_and_a_whole_one_has_parents_first(
    mapping: dict[str, Any],
) -> None:
    try:
        (conversation,) = read([{"mapping": mapping, "current_node": "a"}])
    except BadTransfer:
        return
    for index, message in enumerate(conversation.messages):
        assert message.parent is None or message.parent < index
    assert conversation.leaf is None or conversation.leaf < len(conversation.messages)


def test_chatgpts_tree_keeps_its_branches_and_passes_over_what_was_not_said() -> None:
    mapping = {
        "root": node(None),
        "system": node("be nice", "root", role="system"),
        "question": node("hello", "system", create_time=1.0),
        "search": node("query()", "question", role="assistant", recipient="browser"),
        "result": node("a page", "search", role="tool"),
        "answer": node("hi", "result", role="assistant", metadata={"model_slug": "gpt-4"}),
        "other": node("good day", "question", role="assistant", create_time=3.0),
    }
    document = {"title": "  A \n title ", "mapping": mapping, "current_node": "answer"}

    (conversation,) = read([document])

    texts = [(m.role, m.text, m.parent) for m in conversation.messages]
    assert texts == [("user", "hello", None), ("assistant", "good day", 0), ("assistant", "hi", 0)]
    assert conversation.leaf == 2
    assert conversation.title == "A title"
    assert conversation.messages[2].model == "gpt-4"


@pytest.mark.parametrize(
    "document, place, problem",
    [
        ([], "", "no conversation"),
        ("text", "", "a list of them"),
        ([5], "[0]", "must be an object"),
        ([{}], "[0]", "neither"),
        ([chatgpt(a=node("x", "gone"))], "[0].mapping.a.parent", "no message of this id"),
        ([chatgpt(a=node("x", "b"), b=node("y", "a"))], "[0].mapping.a.parent", "circle"),
        ([chatgpt(a=node("x", "a"))], "[0].mapping.a.parent", "circle"),
        ([chatgpt(a=node(None))], "[0]", "no message"),
        (
            [{"mapping": {"a": {"message": {"author": 3}}}}],
            "[0].mapping.a.message.author",
            "object",
        ),
        ({"format": "karen.conversation", "version": 9}, "version", "version 1"),
        (ours({"id": "a", "role": "king", "text": "x"}), "messages[0].role", "assistant"),
        (ours({"id": "a", "role": "user", "text": 5}), "messages[0].text", "text"),
        (
            ours({"id": "a", "role": "user", "text": "x"}, {"id": "a", "role": "user", "text": ""}),
            "messages[1]",
            "same id",
        ),
        (
            ours({"id": "a", "role": "user", "text": "x", "created_at": "soon"}),
            "messages[0].created_at",
            "time",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(
    document: object, place: str, problem: str
) -> None:
    with pytest.raises(BadTransfer) as refused:
        read(document)

    assert refused.value.place == place
    assert problem in refused.value.problem


def test_broken_json_is_named_with_line_and_column() -> None:
    with pytest.raises(BadTransfer) as refused:
        read_conversations(b'[\n{"a": }]')

    assert refused.value.place == "line 2, column 7"


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(BadTransfer):
        read_conversations(b"[" * 100_000)


def test_one_broken_conversation_does_not_hold_up_the_others() -> None:
    broken, whole = read([5, chatgpt(a=node("hello"))])

    assert broken.problem == "a conversation must be an object"
    assert broken.place == "[0]"
    assert [m.text for m in whole.messages] == ["hello"]


def test_characters_that_cannot_be_stored_are_taken_out() -> None:
    (conversation,) = read_conversations(json.dumps([chatgpt(a=node("a\x00b\ud800c"))]).encode())

    assert conversation.messages[0].text == "ab?c"


def test_the_digest_depends_on_what_was_said_and_where_and_on_nothing_else() -> None:
    def digest(**more: Any) -> str:
        (one,) = read(ours({"id": "a", "role": "user", "text": "x"}, **more))
        result: str = one.digest()
        return result

    assert digest() == digest(updated_at="2026-01-01T00:00:00Z", tags=["t"])
    assert digest() != digest(title="Another")
