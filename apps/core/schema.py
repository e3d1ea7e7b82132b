"""OpenAPI pieces that operations share: the error envelope and pages of lists."""

from typing import Any

from django.utils.translation import gettext_noop
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from apps.core.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

_COMPONENT = "ErrorEnvelope"

_ENVELOPE: dict[str, Any] = {
    "type": "object",
    "description": "The one shape of errors. `type` is stable; docs/errors.md lists its values.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message", "retryable", "correlation_id"],
            "properties": {
                "type": {"type": "string", "example": "rate_limited"},
                "message": {"type": "string", "description": "For people, in their language."},
                "retryable": {
                    "type": "boolean",
                    "description": "The same request may succeed later.",
                },
                "correlation_id": {
                    "type": "string",
                    "description": "Quote it to the operator; it stands in the log.",
                },
                "details": {"type": "object", "additionalProperties": True},
            },
        }
    },
}

_RESPONSES = {
    "4XX": gettext_noop("The request cannot be fulfilled as it is."),
    "5XX": gettext_noop("Something failed on our side."),
}


def add_error_responses(
    result: dict[str, Any], generator: object, request: object, public: bool
) -> dict[str, Any]:
    """Give each operation the error responses; drf-spectacular's postprocessing hook."""
    del generator, request, public  # the hook's signature; nothing here depends on them
    components = result.setdefault("components", {}).setdefault("schemas", {})
    components[_COMPONENT] = _ENVELOPE
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_COMPONENT}"}}}
    for operations in result.get("paths", {}).values():
        for operation in operations.values():
            for status, text in _RESPONSES.items():
                operation["responses"].setdefault(status, {"description": text, "content": content})
    return result


PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="`next` of the page before."),
    OpenApiParameter(
        "page_size",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_PAGE_SIZE,
            "default": DEFAULT_PAGE_SIZE,
        },
        description="Rows on a page.",
    ),
]


def page_of(row: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return the shape of one page of `row`, as `pagination.NewestFirst` sends it."""
    name = row.__name__.removesuffix("Serializer")
    after = serializers.CharField(
        allow_null=True, help_text="Pass it as `cursor` to get the next page; null on the last."
    )
    return inline_serializer(f"{name}Page", {"results": row(many=True), "next": after})
