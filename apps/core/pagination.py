"""Cursor pages: `{"results": [...], "next": "<cursor>" | null}`, newest first.

The cursor names the last row of a page by its ordering values, so rows added or removed meanwhile
neither repeat nor hide others. It is opaque to clients but no secret: it selects only among rows
that the view's own query allows.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from apps.core.errors import InvalidInput

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100


def _encode(values: Sequence[str]) -> str:
    text = json.dumps(list(values), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> list[str]:
    padded = cursor + "=" * (-len(cursor) % 4)
    values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a cursor is a list of strings")
    return values


class NewestFirst(BasePagination):
    """Pages of a queryset in descending order of `ordering`.

    A view may set `ordering` to a tuple of field names, most significant first and unique taken
    together; the default is the UUIDv7 key, which sorts by creation.
    """

    ordering: tuple[str, ...] = ("id",)
    _next: str | None = None

    @override
    def paginate_queryset(  # type: ignore[override]  # a plain sequence has no cursor
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Return the rows of the page that `request` asks for.

        Raises:
            InvalidInput: `page_size` or `cursor` is not one that we gave or accept.
        """
        ordering = tuple(getattr(view, "ordering", None) or self.ordering)
        size = _page_size(request.query_params.get("page_size"))
        cursor = request.query_params.get("cursor")
        if cursor:
            queryset = queryset.filter(_older_than(queryset.model, ordering, cursor))
        # One row more than asked for tells whether another page follows, without a count.
        rows = list(queryset.order_by(*(f"-{name}" for name in ordering))[: size + 1])
        page = rows[:size]
        self._next = _cursor_of(page[-1], ordering) if len(rows) > size else None
        return page

    @override
    def get_paginated_response(self, data: Any) -> Response:
        """Wrap one page of rendered rows."""
        return Response({"results": data, "next": self._next})


def _page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_PAGE_SIZE):
        reason = _("Give a whole number from 1 to %(most)d.") % {"most": MAX_PAGE_SIZE}
        raise InvalidInput(fields={"page_size": [reason]})
    return int(text)


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, Field)  # an ordering names columns, never reverse relations
    return field


def _cursor_of(row: Model, ordering: tuple[str, ...]) -> str:
    return _encode([_field(type(row), name).value_to_string(row) for name in ordering])


def _older_than(model: type[Model], ordering: tuple[str, ...], cursor: str) -> Q:
    """Return the condition for rows after the cursor's row, comparing fields left to right."""
    try:
        texts = _decode(cursor)
        values = [
            _field(model, name).to_python(text) for name, text in zip(ordering, texts, strict=True)
        ]
    except (ValueError, binascii.Error, RecursionError, ValidationError):
        reason = _("Pass the `next` of a page you received, unchanged.")
        raise InvalidInput(fields={"cursor": [reason]}) from None
    condition = Q()
    equal: dict[str, Any] = {}
    for name, value in zip(ordering, values, strict=True):
        condition |= Q(**equal, **{f"{name}__lt": value})
        equal[name] = value
    return condition
