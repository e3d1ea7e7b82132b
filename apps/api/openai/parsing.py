"""From bytes to a typed request, and the checks that chat and responses share."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from django.utils.translation import gettext as _

from apps.api.errors import ParameterInvalid, ParameterUnsupported
from apps.providers.contracts import ImageData, ModelInfo, ToolSpec

T = TypeVar("T")

TOOLS_MAX = 128
STOPS_MAX = 4

_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_DATA_URL = re.compile(r"data:(?P<type>image/(?:png|jpeg|gif|webp));base64,(?P<data>[\w+/=]+)")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHOICES = ("auto", "none", "required")
_FORMATS = ("json_object", "json_schema")


def parsed(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return a request body as what `decode` makes of it.

    Raises:
        ParameterInvalid: It is not JSON or does not fit; names the place.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        place = _PLACE.search(text)
        said = text[: place.start()] if place else text
        raise ParameterInvalid(place["place"] if place else "", f"{said}.") from error
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
    """
    if wanted is None:
        return model.context_tokens
    if wanted < 1:
        raise ParameterInvalid(param, _("%(param)s must be at least 1.") % {"param": param})
    return min(wanted, model.context_tokens)


def image_of(param: str, model: ModelInfo, url: object) -> ImageData:
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
    return ImageData(media_type=match["type"], data=data)


def sampling_of(**values: float | None) -> tuple[tuple[str, float], ...]:
    """Return the sampling parameters that were given."""
    return tuple((name, value) for name, value in values.items() if value is not None)
