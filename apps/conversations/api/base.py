"""What the REST views of conversations share."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from rest_framework import status
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.conversations import hub
from apps.conversations.contracts import AnswerAgain, ContinueAnswer, NewMessage
from apps.conversations.rendering import as_json
from apps.core.errors import InvalidInput
from apps.core.scope import Actor, current_actor

_Contract = TypeVar("_Contract", bound=BaseModel)


class ChatView(APIView):
    """A view for people who may chat."""

    permission = CHAT_USER

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()


def parsed(serializer: Serializer[object], contract: type[_Contract], **more: Any) -> _Contract:
    """Return the body as the contract the hub takes; only what was given is set.

    Raises:
        ValidationError: Of REST framework, with all fields that do not fit.
        InvalidInput: A field fits the serializer and not the contract.
    """
    serializer.is_valid(raise_exception=True)
    try:
        return contract.model_validate({**serializer.validated_data, **more})
    except ValidationError as error:
        raise InvalidInput(fields=problems_of(error)) from error


def problems_of(error: ValidationError) -> dict[str, list[str]]:
    """Return what does not fit, by the path of the field."""
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        problems.setdefault(".".join(map(str, item["loc"])), []).append(item["msg"])
    return problems


def ask(actor: Actor, wanted: NewMessage | AnswerAgain | ContinueAnswer) -> Response:
    """Hand a wish to the hub and answer with its receipt."""
    accepted = hub.ask(actor=actor, edge="rest", wanted=wanted)
    return Response(as_json(accepted), status=status.HTTP_202_ACCEPTED)
