"""From bytes to a typed request, and the checks that chat and responses share."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec
from django.utils.translation import gettext as _

from apps.api.errors import ParameterInvalid, ParameterUnsupported
from apps.providers.contracts import ImageData, ModelInfo, ToolSpec

T = TypeVar("T")

TOOLS_MAX = 128
STOPS_MAX = 4

_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_DATA_URL = re.compile(r"data:(?P<type>image/(?:png|jpeg|gif|webp));base64,(?P<data>[\w+/=]+)")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOOL_FIELDS: dict[str, type] = {
    "name": str,
    "description": str,
    "parameters": dict,
    "strict": bool,
}
_CHOICES = ("auto", "none", "required")
_FORMATS = ("json_object", "json_schema")


def parsed(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return a request body as what `decode` makes of it.

    Raises:
        ParameterInvalid: It is not JSON or does not fit; names the place.
        ParameterUnsupported: It holds a field that nobody here knows: passing it over silently
            would be another answer than was asked for.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PLACE.search(text)
        place, said = (found["place"], text[: found.start()]) if found else ("", text)
        if unknown := _UNKNOWN.fullmatch(said):
            name = f"{place}.{unknown['field']}" if place else unknown["field"]
            raise ParameterUnsupported(name) from error
        raise ParameterInvalid(place, f"{said}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ParameterInvalid("", _("The body is not valid JSON.")) from error


def in_range(param: str, value: float | None, *, least: float, most: float) -> None:
    """Check a number that may be absent.

    Raises:
        ParameterInvalid: It lies outside.
    """
    if value is not None and not least <= value <= most:
        text = _("%(param)s must be between %(least)g and %(most)g.")
        raise ParameterInvalid(param, text % {"param": param, "least": least, "most": most})


def refuse_given(values: Mapping[str, object], harmless: Mapping[str, object]) -> None:
    """Refuse parameters that would change the answer and that nobody here acts on.

    Args:
        values: What was given, by name.
        harmless: The value of each that asks for nothing; absent ones are None.

    Raises:
        ParameterUnsupported: One asks for something.
    """
    for name, value in values.items():
        if value is not None and value != harmless.get(name):
            raise ParameterUnsupported(name)


def stops_of(stop: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the texts that end an answer.

    Raises:
        ParameterInvalid: Too many, or an empty one.
    """
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(stops) > STOPS_MAX or not all(stops):
        raise ParameterInvalid("stop", _("stop is one text or up to 4, none of them empty."))
    return stops


def checked_tools(model: ModelInfo, tools: Iterable[ToolSpec]) -> tuple[ToolSpec, ...]:
    """Return the tools if the model can be given them.

    Raises:
        ParameterInvalid: Too many, or a name does not fit.
        ParameterUnsupported: The model takes no tools.
    """
    checked = tuple(tools)
    if not checked:
        return ()
    if not model.supports_tools:
        raise ParameterUnsupported("tools", _("This model takes no tools."))
    if len(checked) > TOOLS_MAX:
        raise ParameterInvalid("tools", _("At most 128 tools."))
    for at, tool in enumerate(checked):
        if not _TOOL_NAME.fullmatch(tool.name):
            text = _("A tool's name has 1 to 64 letters, digits, hyphens or underscores.")
            raise ParameterInvalid(f"tools[{at}].name", text)
    return checked


def checked_choice(
    choice: str | Mapping[str, Any] | None, name: object, tools: Sequence[ToolSpec]
) -> str | None:
    """Return which tool the model must use, in the gateway's words.

    Args:
        choice: What the caller sent.
        name: The tool's name inside it, if it is an object.
        tools: The tools there are.

    Raises:
        ParameterInvalid: It is no choice, or names a tool that was not given.
    """
    if choice is None:
        return None
    wanted = choice if isinstance(choice, str) else name
    known = [tool.name for tool in tools]  # no set: what was sent may be anything
    fits = wanted in _CHOICES if isinstance(choice, str) else wanted in known
    if not fits or (not tools and wanted not in _CHOICES[:2]):
        text = _("tool_choice is auto, none, required or one of the tools.")
        raise ParameterInvalid("tool_choice", text)
    return str(wanted) if tools else None


def format_of(model: ModelInfo, param: str, wanted: Mapping[str, Any] | None) -> str:
    """Return the answer's format as JSON text; empty for plain text.

    Raises:
        ParameterInvalid: It is no format.
        ParameterUnsupported: The model cannot be told.
    """
    if wanted is None or wanted.get("type") == "text":
        return ""
    if wanted.get("type") not in _FORMATS:
        text = _("The format is text, json_object or json_schema.")
        raise ParameterInvalid(f"{param}.type", text)
    if not model.supports_formats:
        raise ParameterUnsupported(param, _("This model cannot be told the format of its answer."))
    return msgspec.json.encode(wanted).decode()


def token_limit(param: str, wanted: int | None, model: ModelInfo) -> int:
    """Return the most tokens an answer may have; what fits the model when nothing was asked.

    Raises:
        ParameterInvalid: Less than one.
        ParameterUnsupported: The length cannot be limited.
    """
    if wanted is None:
        return model.context_tokens
    demand_taken(model, "max_tokens", wanted, param=param)
    if wanted < 1:
        raise ParameterInvalid(param, _("%(param)s must be at least 1.") % {"param": param})
    return min(wanted, model.context_tokens)


def image_of(param: str, model: ModelInfo, url: object, *, detail: str | None) -> ImageData:
    """Return a picture that was sent along; Karen fetches none from elsewhere.

    Raises:
        ParameterInvalid: It is not a `data:` URL with base64.
        ParameterUnsupported: The model sees none, or it would have to be fetched.
    """
    if not model.supports_vision:
        raise ParameterUnsupported(param, _("This model sees no images."))
    if not isinstance(url, str) or not url.startswith("data:"):
        text = _("Send the image itself, as a data: URL; none is fetched from elsewhere.")
        raise ParameterUnsupported(param, text)
    match = _DATA_URL.fullmatch(url)
    try:
        data = base64.b64decode(match["data"], validate=True) if match else b""
    except ValueError:
        data = b""
    if match is None or not data:
        raise ParameterInvalid(param, _("This is not data:image/…;base64,… of an image."))
    demand_taken(model, "detail", detail, param=f"{param}.detail")
    return ImageData(media_type=match["type"], data=data, detail=detail or "")


Value: TypeAlias = float | int | str | bool


def demand_taken(model: ModelInfo, name: str, value: object, *, param: str = "") -> None:
    """Check that a parameter that was given reaches the model.

    Raises:
        ParameterUnsupported: This model is not told.
    """
    if value is not None and name not in model.takes:
        text = _("This model takes no %(param)s. Leave it out.") % {"param": param or name}
        raise ParameterUnsupported(param or name, text)


def temperature_of(model: ModelInfo, value: float | None) -> float:
    """Return the temperature that was asked for, or what OpenAI takes without one.

    Raises:
        ParameterInvalid: It is out of range.
        ParameterUnsupported: The model has its own, and another was asked for.
    """
    in_range("temperature", value, least=0, most=2)
    demand_taken(model, "temperature", None if value == 1 else value)
    return 1.0 if value is None else value


def sampling_of(model: ModelInfo, **values: Value | None) -> tuple[tuple[str, Value], ...]:
    """Return the further parameters that were given.

    Raises:
        ParameterUnsupported: One of them does not reach this model.
    """
    for name, value in values.items():
        demand_taken(model, name, value)
    return tuple((name, value) for name, value in values.items() if value is not None)


def tool_of(place: str, given: Mapping[str, Any], model: ModelInfo) -> ToolSpec:
    """Return a function tool as it was given: name, description, parameters, strict.

    Raises:
        ParameterInvalid: Something in it does not fit.
        ParameterUnsupported: It holds something else, or the model is not told of `strict`.
    """
    for field in given:
        if field not in _TOOL_FIELDS:
            raise ParameterUnsupported(f"{place}.{field}")
    for field, kind in _TOOL_FIELDS.items():
        if given.get(field) is not None and not isinstance(given[field], kind):
            text = _("This has the wrong type.")
            raise ParameterInvalid(f"{place}.{field}", text)
    if not given.get("name"):
        raise ParameterInvalid(f"{place}.name", _("A tool needs a name."))
    demand_taken(model, "strict", given.get("strict"), param=f"{place}.strict")
    return ToolSpec(
        name=given["name"],
        description=given.get("description") or "",
        parameters=given.get("parameters") or {"type": "object", "properties": {}},
        strict=given.get("strict"),
    )
