"""The secret-word test on the real model: tenants and conversations in many orders.

`test_interleavings` proves the law on a model made of arithmetic; this one looks whether llama.cpp
keeps its sequences apart as we think it does. What a conversation says must be what it says alone,
and nobody's word turns up elsewhere.
"""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from apps.providers import builtin, catalogue, gateway
from apps.providers.contracts import ChatMessage, Flow, ModelRequest, Role, TextDelta

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.local_model

SECRETS = {
    "acme:1": "tangerine",
    "acme:2": "walrus",
    "globex:1": "obelisk",
    "globex:2": "saxophone",
    "initech:1": "glacier",
    "initech:2": "umbrella",
}


@pytest.fixture(autouse=True)
def own_folders(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.KAREN_VAR = tmp_path
    settings.MODELS_DIR = tmp_path / "models"
    settings.LOCAL_MODEL = True
    settings.LOCAL_CONTEXT_TOKENS = 512
    builtin.register_all()
    yield
    from apps.providers.engine import owners  # optional: imports llama_cpp

    owners.stop_all()


def first_turn(secret: str) -> ChatMessage:
    return ChatMessage(role=Role.USER, text=f"The secret word is {secret}. Remember it.")


SECOND = ChatMessage(role=Role.USER, text="What is the secret word?")


async def said(messages: list[ChatMessage], *, partition: str, max_tokens: int) -> str:
    request = ModelRequest(
        model=f"local/{catalogue.BUILT_IN_NAME}",
        messages=tuple(messages),
        max_tokens=max_tokens,
        temperature=0.0,
        partition=partition,
    )
    events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request)
    return "".join([event.text async for event in events if isinstance(event, TextDelta)])


async def conversation(partition: str, chance: random.Random) -> str:
    """Ask twice; the second question may reuse what the first one left."""
    secret = SECRETS[partition]
    messages = [first_turn(secret)]
    await said(messages, partition=partition, max_tokens=chance.choice([1, 3]))
    messages += [ChatMessage(role=Role.ASSISTANT, text=f"{secret}."), SECOND]
    return await said(messages, partition=partition, max_tokens=10)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.soak)])
async def test_no_word_of_another_conversation_is_ever_said(rounds: int) -> None:
    chance = random.Random("secrets")
    heard = 0
    for _ in range(rounds):
        chosen = chance.sample(sorted(SECRETS), k=chance.randrange(2, 6))
        answers = await asyncio.gather(*(conversation(each, chance) for each in chosen))
        for partition, text in zip(chosen, answers, strict=True):
            lowered = text.lower()
            heard += SECRETS[partition] in lowered
            others = {word for name, word in SECRETS.items() if name != partition}
            assert not [word for word in others if word in lowered], (partition, text)
    assert heard > rounds, "the model hardly says its own word: the test would see nothing"
