"""REST: personas, the commands of the slash menu, and the tools that may be allowed."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import CHAT_USER
from apps.conversations.api.base import ChatView, parsed
from apps.conversations.api.features import (
    CommandSerializer,
    PersonaFieldsSerializer,
    PersonaSerializer,
    ToolSerializer,
)
from apps.conversations.commands.registry import list_commands
from apps.conversations.contracts import PersonaFields
from apps.conversations.rendering import as_json
from apps.conversations.services import personas
from apps.core.schema import page_of
from apps.plugins import selectors as plugins


class PersonasView(ChatView):
    """The personas that the actor may use."""

    @extend_schema(operation_id="personas_list", responses=page_of(PersonaSerializer))
    def get(self, request: Request) -> Response:
        """List built-in ones, the workspace's and the actor's own."""
        views = personas.list_personas(actor=self.actor, permission=CHAT_USER)
        return Response({"results": [as_json(view) for view in views], "next": None})

    @extend_schema(request=PersonaFieldsSerializer, responses={201: PersonaSerializer})
    def post(self, request: Request) -> Response:
        """Make one: the actor's own, or with `workspace` one for everybody."""
        fields = parsed(PersonaFieldsSerializer(data=request.data), PersonaFields)
        view = personas.create_persona(actor=self.actor, permission=CHAT_USER, fields=fields)
        return Response(as_json(view), status=status.HTTP_201_CREATED)


class PersonaView(ChatView):
    """One persona that somebody made."""

    @extend_schema(request=PersonaFieldsSerializer, responses=PersonaSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Change the given fields."""
        fields = parsed(PersonaFieldsSerializer(data=request.data), PersonaFields)
        view = personas.change_persona(
            actor=self.actor, permission=CHAT_USER, slug=slug, fields=fields
        )
        return Response(as_json(view))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete it; conversations that use it go on with the default one."""
        personas.delete_persona(actor=self.actor, permission=CHAT_USER, slug=slug)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CommandsView(ChatView):
    """The commands that can be written after a slash."""

    @extend_schema(operation_id="commands_list", responses=page_of(CommandSerializer))
    def get(self, request: Request) -> Response:
        """List all commands, with whether the actor may give them."""
        views = list_commands(self.actor)
        return Response({"results": [as_json(view) for view in views], "next": None})


class ToolsView(ChatView):
    """The tools that the assistant may be allowed to use."""

    @extend_schema(operation_id="tools_list", responses=page_of(ToolSerializer))
    def get(self, request: Request) -> Response:
        """List what the actor may let the assistant use, by name."""
        tools = [
            {"name": tool.name, "title": tool.title, "description": tool.description}
            for tool in plugins.list_tools(actor=self.actor)
        ]
        return Response({"results": tools, "next": None})
