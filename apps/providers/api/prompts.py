"""REST views of prompts and their versions: parse, call one service or selector, render."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.core.errors import InvalidInput
from apps.core.schema import page_of
from apps.core.scope import Actor, current_actor
from apps.providers import selectors
from apps.providers.api.serializers import (
    ActivationSerializer,
    DiffSerializer,
    NewPromptVersionSerializer,
    PreviewRequestSerializer,
    PreviewSerializer,
    PromptSerializer,
    PromptVersionSerializer,
)
from apps.providers.permissions import EDIT_PROMPTS, READ_PROMPTS
from apps.providers.registry import ContextPiece
from apps.providers.services import prompts, rendering


class PromptsApi(APIView):
    """What the views of prompts share."""

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()

    def parsed(self, serializer: Serializer[object]) -> dict[str, Any]:
        """Return what was sent, in shape."""
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class PromptsView(PromptsApi):
    """All prompts."""

    permission = READ_PROMPTS

    @extend_schema(operation_id="prompts_list", responses=page_of(PromptSerializer))
    def get(self, request: Request) -> Response:
        """List every prompt with what holds in this workspace, by name."""
        found = selectors.list_prompts(actor=self.actor, permission=READ_PROMPTS)
        return Response({"results": PromptSerializer(found, many=True).data, "next": None})


class PromptDetailView(PromptsApi):
    """One prompt."""

    permission = READ_PROMPTS

    @extend_schema(responses=PromptSerializer)
    def get(self, request: Request, name: str) -> Response:
        """Show a prompt with what holds in this workspace."""
        found = selectors.get_prompt(actor=self.actor, permission=READ_PROMPTS, name=name)
        return Response(PromptSerializer(found).data)


class VersionsView(PromptsApi):
    """The versions of a prompt."""

    permission = {"GET": READ_PROMPTS, "POST": EDIT_PROMPTS}  # noqa: RUF012  # read by the permission class

    @extend_schema(operation_id="prompt_versions_list", responses=page_of(PromptVersionSerializer))
    def get(self, request: Request, name: str) -> Response:
        """List the versions, newest first; last what stands below."""
        found = selectors.list_prompt_versions(actor=self.actor, permission=READ_PROMPTS, name=name)
        rows = PromptVersionSerializer(found, many=True).data
        return Response({"results": rows, "next": None})

    @extend_schema(request=NewPromptVersionSerializer, responses={201: PromptVersionSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Keep another wording; it does not hold before it is activated."""
        draft = self.parsed(NewPromptVersionSerializer(data=request.data))
        made = prompts.create_prompt_version(
            actor=self.actor,
            permission=EDIT_PROMPTS,
            name=name,
            note=draft.pop("note", ""),
            description=draft.pop("description", ""),
            draft=draft,
        )
        return Response(PromptVersionSerializer(made).data, status=status.HTTP_201_CREATED)


class VersionView(PromptsApi):
    """One version."""

    permission = READ_PROMPTS

    @extend_schema(responses=PromptVersionSerializer)
    def get(self, request: Request, name: str, number: int) -> Response:
        """Show a version."""
        found = selectors.get_prompt_version(
            actor=self.actor, permission=READ_PROMPTS, name=name, number=number
        )
        return Response(PromptVersionSerializer(found).data)


class DiffView(PromptsApi):
    """The difference of two versions."""

    permission = READ_PROMPTS

    @extend_schema(
        parameters=[OpenApiParameter("old", int), OpenApiParameter("new", int)],
        responses=DiffSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        """Show how `new` differs from `old`, as the lines of a unified diff."""
        lines = selectors.prompt_diff(
            actor=self.actor,
            permission=READ_PROMPTS,
            name=name,
            old=_number(request, "old"),
            new=_number(request, "new"),
        )
        return Response({"lines": lines})


def _number(request: Request, key: str) -> int:
    text = request.query_params.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise InvalidInput(fields={key: ["Give the number of a version."]})
    return int(text)


class ActivateView(PromptsApi):
    """Which version holds."""

    permission = EDIT_PROMPTS

    @extend_schema(request=ActivationSerializer, responses=PromptSerializer)
    def post(self, request: Request, name: str) -> Response:
        """Have a version hold from now on."""
        wanted = self.parsed(ActivationSerializer(data=request.data))
        changed = prompts.activate_prompt_version(
            actor=self.actor, permission=EDIT_PROMPTS, name=name, number=wanted["version"]
        )
        return Response(PromptSerializer(changed).data)


class RollbackView(PromptsApi):
    """Back to the version before."""

    permission = EDIT_PROMPTS

    @extend_schema(request=None, responses=PromptSerializer)
    def post(self, request: Request, name: str) -> Response:
        """Have the version hold again that held before."""
        changed = prompts.rollback_prompt(actor=self.actor, permission=EDIT_PROMPTS, name=name)
        return Response(PromptSerializer(changed).data)


class PreviewView(PromptsApi):
    """How a prompt reads and what it costs."""

    permission = READ_PROMPTS

    @extend_schema(request=PreviewRequestSerializer, responses=PreviewSerializer)
    def post(self, request: Request, name: str) -> Response:
        """Render a version with values and count its tokens; no model is asked."""
        wanted = self.parsed(PreviewRequestSerializer(data=request.data))
        shown = rendering.preview_prompt(
            actor=self.actor,
            permission=READ_PROMPTS,
            name=name,
            number=wanted.get("version"),
            values=wanted.get("variables", {}),
            contexts=[ContextPiece(**piece) for piece in wanted.get("material", [])],
            model=wanted.get("model"),
        )
        return Response(PreviewSerializer(shown).data)
