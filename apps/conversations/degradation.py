"""What is done when the chosen model cannot be reached: another one, or an honest minimal answer.

Levels (architecture §4): 1 everything; 2 some providers are down; 3 local models only; 4 no model.
"""

import threading
import time
from collections.abc import Collection

from django.conf import settings
from django.utils.translation import gettext as _

from apps.core.errors import KarenError
from apps.providers import selectors as providers
from apps.providers.contracts import Cause, ModelInfo
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
    RouteRefused,
)

FULL, SOME_DOWN, LOCAL_ONLY, NO_MODEL = 1, 2, 3, 4
DEGRADED = "degraded"  # the finish reason of an answer without a model
OUTAGE_S = 60.0

# What another model may mend. A request that is refused would be refused elsewhere too, and
# answering what a model rejected is not ours to arrange.
REPLACEABLE = (ProviderUnavailable, ProviderInterrupted, ConfigurationError)

# Scripted models: never asked in another's place, and their failures are meant to be seen.
_SCRIPTED = frozenset({"echo", "stub"})


class Outages:
    """Which models this process could not reach lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def note(self, model_id: str) -> None:
        """Remember for `OUTAGE_S` seconds that a model could not be reached."""
        with self._lock:
            self._until[model_id] = time.monotonic() + OUTAGE_S

    def clear(self, model_id: str) -> None:
        """Forget it: the model answered."""
        if self._until:
            with self._lock:
                self._until.pop(model_id, None)

    def forget(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._until = {}

    def present(self) -> frozenset[str]:
        """Return the models that are taken for down."""
        if not self._until:
            return frozenset()
        moment = time.monotonic()
        with self._lock:
            self._until = {name: until for name, until in self._until.items() if until > moment}
            return frozenset(self._until)


outages = Outages()


def level_of(model: ModelInfo, *, asked: str) -> int:
    """Return the level of an answer that `model` gives in place of the model called `asked`."""
    if model.id != asked:
        return LOCAL_ONLY if model.in_process else SOME_DOWN
    down = outages.present() - {model.id}
    if not down:
        return FULL
    return SOME_DOWN if any(each.id in down for each in providers.list_models()) else FULL


def is_replaceable(error: KarenError, model_id: str) -> bool:
    """Say whether another model may answer after `error` of this one."""
    if not settings.CHAT_FALLBACK or model_id.partition("/")[0] in _SCRIPTED:
        return False
    if isinstance(error, RouteRefused):
        return error.local_only
    if isinstance(error, ProviderRejected):  # elsewhere only where a policy says where
        return providers.has_fallbacks(_cause_of(error))
    return isinstance(error, REPLACEABLE)


def next_model(
    failed: str, *, error: KarenError, tried: Collection[str], subject: str, sensitive: bool = False
) -> ModelInfo | None:
    """Return the best model to ask instead, or None.

    Routing decides, by the list of fallbacks for this kind of failure. One more model of the same
    provider is tried when only this one may be down; then the other providers.
    """
    kind = failed.partition("/")[0]
    same_tried = sum(1 for each in tried if each.startswith(f"{kind}/"))
    same_is_down = isinstance(error, ConfigurationError) or same_tried > 1
    question = providers.turn_question(
        subject=subject,
        failed=tried,
        cause=_cause_of(error),
        sensitive=sensitive or isinstance(error, RouteRefused),
    )
    rejected = isinstance(error, ProviderRejected) and providers.has_fallbacks(_cause_of(error))
    plan = providers.plan_route(question)
    candidates = [
        each.model
        for each in plan.candidates
        if (each.model.id in plan.fallbacks or not rejected)
        and each.model.provider not in _SCRIPTED
        and not (each.model.provider == kind and same_is_down)
    ]
    # What was down a moment ago comes last.
    down = outages.present()
    return min(candidates, key=lambda model: model.id in down, default=None)


def _cause_of(error: KarenError) -> Cause:
    if isinstance(error, ContextTooLong):
        return Cause.CONTEXT
    return Cause.REFUSAL if isinstance(error, ProviderRejected) else Cause.FAILURE


def minimal_answer(lines: list[str]) -> str:
    """Return the answer of a turn that no model could answer, with what was found instead."""
    text = _(
        "No language model can be reached right now, so this is not an answer by one. Your "
        "message is kept: press “Try again” in a moment."
    )
    if not lines:
        return text
    found = _("This may help meanwhile; it comes from your earlier conversations and memories:")
    return "\n\n".join([text, found, "\n".join(lines)])
