"""REST of search: parse, ask the hub, render."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.conversations import hub
from apps.conversations.search.contracts import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    TEXT_MAX,
    Filters,
    Match,
    Part,
    SearchHit,
    SearchQuery,
)
from apps.core.scope import Actor, current_actor
from apps.providers.contracts import Role

_ME = "me"


class SearchQuerySerializer(serializers.Serializer[object]):
    """What is looked for."""

    q = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=TEXT_MAX,
        trim_whitespace=False,
        help_text=(
            'Words that must occur, "words side by side", -words that must not. The last word may '
            "be unfinished unless a blank follows it. Empty: the newest messages."
        ),
    )
    conversation = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="Only this conversation."
    )
    author = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=36,
        help_text="Only messages of this person: a user's id, or `me`.",
    )
    role = serializers.ChoiceField(
        choices=[Role.USER.value, Role.ASSISTANT.value],
        required=False,
        allow_null=True,
        default=None,
        help_text="Only messages of people, or only answers.",
    )
    model = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=100,
        help_text="Only answers of this model.",
    )
    has_file = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Only messages with (or without) a file.",
    )
    after = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Not older than this."
    )
    before = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Older than this."
    )
    pinned = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Only in conversations that are (or are not) pinned.",
    )
    archived = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Only in conversations that are (or are not) archived.",
    )
    folder = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="Only in this folder."
    )
    tag = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=40,
        help_text="Only in conversations with this tag.",
    )
    limit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LIMIT_MAX,
        default=LIMIT_DEFAULT,
        help_text="Most hits on a page.",
    )
    cursor = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=200,
        help_text="`next` of the page before.",
    )

    def validate_author(self, value: str) -> str:
        """Accept a user's id or `me`.

        Raises:
            ValidationError: It is neither.
        """
        if value and value != _ME:
            try:
                UUID(value)
            except ValueError:
                raise serializers.ValidationError("Give a user's id, or `me`.") from None
        return value


class FragmentSerializer(serializers.Serializer[object]):
    """A piece of a snippet: plain text, never markup."""

    text = serializers.CharField(trim_whitespace=False)
    marked = serializers.BooleanField(help_text="Whether this is why it was found.")


class SearchHitSerializer(serializers.Serializer[object]):
    """Something found."""

    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField(
        allow_null=True, help_text="The message to jump to; null when the title was found."
    )
    title = serializers.CharField()
    role = serializers.ChoiceField(choices=[r.value for r in Role], allow_null=True)
    model = serializers.CharField(allow_blank=True)
    author_id = serializers.UUIDField(allow_null=True)
    has_file = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    snippet = serializers.CharField(help_text="The fragments' text.")
    fragments = FragmentSerializer(many=True)
    score = serializers.FloatField(help_text="Comparable within one answer only.")
    matched = serializers.ListField(
        child=serializers.ChoiceField(choices=[m.value for m in Match]),
        help_text="Why it was found.",
    )


class CorrectionSerializer(serializers.Serializer[object]):
    """A word that was taken for another one."""

    typed = serializers.CharField()
    taken_for = serializers.CharField()


class SearchPageSerializer(serializers.Serializer[object]):
    """A page of what was found."""

    results = SearchHitSerializer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="Pass it as `cursor` to get the next page; null on the last."
    )
    degraded = serializers.BooleanField(help_text="Whether a part of search did not answer.")
    missing = serializers.ListField(
        child=serializers.ChoiceField(choices=[p.value for p in Part]),
        help_text="Parts that did not answer; the others did.",
    )
    corrections = CorrectionSerializer(many=True)


class SearchView(APIView):
    """Search over everything the actor may see."""

    permission = CHAT_USER

    @extend_schema(
        operation_id="search",
        parameters=[SearchQuerySerializer],
        responses=SearchPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """Find messages, answers and titles, best first; without words, the newest messages."""
        serializer = SearchQuerySerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        actor = current_actor()
        page = hub.search_messages(actor=actor, query=_query(actor, serializer.validated_data))
        answer = {
            "results": [_rendered(hit) for hit in page.hits],
            "next": page.next_cursor,
            "degraded": bool(page.missing),
            "missing": [part.value for part in page.missing],
            "corrections": [{"typed": word, "taken_for": by} for word, by in page.corrections],
        }
        return Response(SearchPageSerializer(answer).data)


def _query(actor: Actor, values: dict[str, Any]) -> SearchQuery:
    author = values["author"]
    return SearchQuery(
        text=values["q"],
        filters=Filters(
            conversation_id=values["conversation"],
            author_id=(actor.id if author == _ME else UUID(author)) if author else None,
            role=Role(values["role"]) if values["role"] else None,
            model=values["model"] or None,
            has_file=values["has_file"],
            since=values["after"],
            before=values["before"],
            pinned=values["pinned"],
            archived=values["archived"],
            folder_id=values["folder"],
            tag=values["tag"] or None,
        ),
        limit=values["limit"],
        cursor=values["cursor"] or None,
    )


def _rendered(hit: SearchHit) -> dict[str, Any]:
    return {
        "conversation_id": hit.conversation_id,
        "message_id": hit.message_id,
        "title": hit.title,
        "role": hit.role.value if hit.role else None,
        "model": hit.model,
        "author_id": hit.author_id,
        "has_file": hit.has_file,
        "created_at": hit.created_at,
        "snippet": hit.snippet,
        "fragments": hit.fragments,
        "score": hit.score,
        "matched": [match.value for match in hit.matched],
    }
