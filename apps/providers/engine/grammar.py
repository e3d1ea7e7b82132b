"""The grammar that a request's `response_format` asks for."""

import json
from functools import lru_cache

from apps.providers.domain.json_grammar import BadSchema, object_grammar, schema_grammar
from apps.providers.errors import RequestUnsupported


@lru_cache(maxsize=64)
def grammar_of(response_format: str) -> str:
    """Return the GBNF grammar for the JSON text of a `response_format`; empty for free text.

    Raises:
        RequestUnsupported: It is no format, or a schema that cannot be kept; says why.
    """
    if not response_format:
        return ""
    try:
        wanted = json.loads(response_format)
    except (ValueError, RecursionError) as error:
        raise _refused("it is no JSON") from error
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return ""
    if kind == "json_object":
        return object_grammar()
    if kind != "json_schema":
        raise _refused("its type is text, json_object or json_schema")
    named = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise _refused("json_schema has no schema")
    try:
        return schema_grammar(schema)
    except BadSchema as error:
        raise _refused(str(error)) from error


def _refused(problem: str) -> RequestUnsupported:
    return RequestUnsupported(param="response_format", problem=problem)
