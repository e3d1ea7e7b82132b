"""Prompts for chat templates that know a system message only at the beginning, or not at all."""

from itertools import pairwise

from hypothesis import given, strategies as st

from apps.providers.contracts import ChatMessage, Role
from apps.providers.domain.plain import folded_messages

_MESSAGES = st.lists(
    st.builds(ChatMessage, role=st.sampled_from(list(Role)), text=st.text(max_size=8)), max_size=10
)


@given(_MESSAGES)
def test_folded_messages_alternate_and_keep_every_text_in_order(
    messages: list[ChatMessage],
) -> None:
    folded = folded_messages(messages)

    roles = [message.role for message in folded]
    assert all(one is not other for one, other in pairwise(roles))
    assert set(roles) <= {Role.USER, Role.ASSISTANT}
    assert "\n\n".join(m.text for m in folded) == "\n\n".join(m.text for m in messages)


def test_instructions_and_facts_come_before_what_the_person_says() -> None:
    folded = folded_messages(
        [
            ChatMessage(role=Role.SYSTEM, text="Be kind."),
            ChatMessage(role=Role.USER, text="Hello"),
            ChatMessage(role=Role.ASSISTANT, text="Hi"),
            ChatMessage(role=Role.SYSTEM, text="Ada lives in Porto."),
            ChatMessage(role=Role.USER, text="Where?"),
        ]
    )

    assert [message.text for message in folded] == [
        "Be kind.\n\nHello",
        "Hi",
        "Ada lives in Porto.\n\nWhere?",
    ]
