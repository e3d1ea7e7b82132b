"""Which model answers in a conversation: what is known of it, put to the gateway's routing."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.conversations.models.conversations import Conversation
from apps.conversations.models.turns import Turn
from apps.providers import selectors as providers
from apps.providers.contracts import ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """Who answers.

    Attributes:
        model: The model.
        personal: Personal data was found, and a rule of routing goes by that.
    """

    model: ModelInfo
    personal: bool = False


def choose_models(
    conversation: Conversation, *, names: Sequence[str | None], text: str = ""
) -> list[ChosenModel]:
    """Choose the models that answer in a conversation. Blocking.

    Args:
        conversation: Where they answer.
        names: Models that somebody named, taken or refused; None leaves one to routing.
        text: What is to be answered.

    Raises:
        KarenError: As `providers.selectors.choose_route`.
    """
    personal = _holds_personal(conversation, text)
    question = providers.turn_question(
        subject=conversation.pk.hex,
        text=text,
        sensitive=conversation.sensitive or personal,
        user_id=conversation.owner_id,
    )
    routes = [providers.choose_route(model=name, question=question) for name in names]
    return [ChosenModel(model=route.model, personal=personal) for route in routes]


def may_answer(conversation: Conversation, model_id: str) -> bool:
    """Say whether a model is configured and, in a marked conversation, trusted."""
    model = providers.find_model(model_id)
    return model is not None and (not conversation.sensitive or model.keeps_secrets)


def _holds_personal(conversation: Conversation, text: str) -> bool:
    if not text or not providers.reads_for_routing():
        return False
    # What was said before is part of every later prompt.
    before = Turn.objects.filter(conversation=conversation, settings__personal=True)
    return providers.is_personal(text) or before.exists()
