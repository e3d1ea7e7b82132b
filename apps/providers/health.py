"""How models do: counted from real calls in every process, summed up in Redis by the minute.

Counting is a few additions in memory; once a second the sums go to Redis, and every few seconds
the last minutes of what is used here come back. Without Redis nothing is known and nobody waits.
A workspace's own providers have figures of their own; those of the platform are common to all.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.core import keys, scope
from apps.core.redis import RedisRole, redis_client
from apps.providers import breaker, configuration, upkeep
from apps.providers.contracts import ModelInfo
from apps.providers.domain.latencies import BUCKETS, bucket_of, percentile_ms
from apps.providers.domain.routing import Health, Measured
from apps.providers.errors import ConfigurationError, ProviderUnavailable

_FLUSH_EVERY_S = 1.0
_READ_EVERY_S = 3.0
_MINUTES = 5
_EXPIRY_S = (_MINUTES + 5) * 60
_ASKED_FOR_S = 600.0

SLOW_MS = 1_200.0  # seed 000: first words later than this, at the 95th percentile, are degraded
FEW_CALLS = 5
ERROR_SHARE = 0.2
_RATE_LIMITED = 3
_HTTP_TOO_MANY = "limited"


@dataclass(slots=True)
class _Tally:
    """What one process counted of one model since it last told."""

    sums: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, amount: int = 1) -> None:
        self.sums[name] = self.sums.get(name, 0) + amount


_lock = threading.Lock()
_tallies: dict[tuple[str, str], _Tally] = {}
_asked: dict[tuple[str, str], float] = {}
_view: dict[tuple[str, str], Measured] = {}


def place_of(model: ModelInfo) -> tuple[str, str]:
    """Return whose figures a model has, and its id."""
    return (scope.require().id.hex if model.is_own else keys.PLATFORM, model.id)


def note_success(
    model: ModelInfo, *, first_ms: float | None, tokens: int, writing_ms: float
) -> None:
    """Count a call that ended well.

    Args:
        model: Who answered.
        first_ms: Milliseconds until the first event.
        tokens: Tokens written.
        writing_ms: Milliseconds from the first event to the last.
    """
    place = place_of(model)
    with _lock:
        tally = _tallies.setdefault(place, _Tally())
        tally.add("calls")
        tally.add("tokens", tokens)
        tally.add("writing_ms", round(writing_ms))
        if first_ms is not None:
            tally.add(f"b{bucket_of(first_ms)}")


def note_failure(model: ModelInfo, error: Exception) -> None:
    """Count a call that the model or its provider failed."""
    place = place_of(model)
    with _lock:
        tally = _tallies.setdefault(place, _Tally())
        tally.add("calls")
        tally.add("failures")
        if isinstance(error, ConfigurationError) and error.key_refused:
            tally.add("refused")
        if isinstance(error, ProviderUnavailable) and error.rate_limited:
            tally.add(_HTTP_TOO_MANY)


def _key(place: tuple[str, str], minute: int) -> str:
    owner, model_id = place
    return keys.named_key(owner, "health", model_id, minute)


def flush() -> None:
    """Tell Redis what was counted here."""
    with _lock:
        told = dict(_tallies)
        _tallies.clear()
    if not told:
        return
    minute = int(time.time() // 60)
    with redis_client(RedisRole.CACHE).pipeline(transaction=False) as pipe:
        for place, tally in told.items():
            key = _key(place, minute)
            for name, amount in tally.sums.items():
                pipe.hincrby(key, name, amount)
            pipe.expire(key, _EXPIRY_S)
            if tally.sums.get("failures"):
                pipe.zadd(_troubled_key(), {"|".join(place): time.time()})
            went_well = tally.sums.get("calls", 0) - tally.sums.get("failures", 0)
            if went_well:
                breaker.count_successes(pipe, place, went_well)
        pipe.execute()


def _troubled_key() -> str:
    return keys.platform_key("gateway", "troubled")


def troubled(*, within_s: float) -> dict[breaker.Place, float]:
    """Return which models failed lately in any process, and when last (Unix time). Blocking.

    Older ones are forgotten.

    Raises:
        redis.RedisError: Redis is away.
    """
    oldest = time.time() - within_s
    with redis_client(RedisRole.CACHE).pipeline(transaction=False) as pipe:
        pipe.zremrangebyscore(_troubled_key(), "-inf", oldest)
        pipe.zrange(_troubled_key(), 0, -1, withscores=True)
        _gone, found = pipe.execute()
    return {_place_in(name.decode()): at for name, at in found}


def _place_in(name: str) -> breaker.Place:
    owner, _, model_id = name.partition("|")
    return owner, model_id


def read() -> None:
    """Fetch what all processes counted of the models that are asked about here."""
    moment = time.monotonic()
    with _lock:
        wanted = [place for place, at in _asked.items() if moment - at < _ASKED_FOR_S]
    if wanted:
        fetched = _fetched(wanted)
        with _lock:
            _view.update(fetched)


def _fetched(places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Measured]:
    minute = int(time.time() // 60)
    asked = list(places)
    with redis_client(RedisRole.CACHE).pipeline(transaction=False) as pipe:
        for place in asked:
            for back in range(_MINUTES):
                pipe.hgetall(_key(place, minute - back))
        answers = pipe.execute()
    found = {}
    for number, place in enumerate(asked):
        sums: dict[str, int] = {}
        for answer in answers[number * _MINUTES : (number + 1) * _MINUTES]:
            for name, amount in answer.items():
                text = name.decode()
                sums[text] = sums.get(text, 0) + int(amount)
        found[place] = _measured(sums)
    return found


def _measured(sums: dict[str, int]) -> Measured:
    calls = sums.get("calls", 0)
    counts = [sums.get(f"b{bucket}", 0) for bucket in range(BUCKETS)]
    writing_ms = sums.get("writing_ms", 0)
    return Measured(
        calls=calls,
        error_rate=sums.get("failures", 0) / calls if calls else 0.0,
        first_p50_ms=percentile_ms(counts, 0.5),
        first_p95_ms=percentile_ms(counts, 0.95),
        tokens_per_s=sums.get("tokens", 0) * 1000 / writing_ms if writing_ms else None,
        rate_limited=sums.get(_HTTP_TOO_MANY, 0),
        key_refused=sums.get("refused", 0),
    )


def measured(model: ModelInfo) -> Measured:
    """Return what the last minutes showed of a model, as far as this process knows."""
    place = place_of(model)
    if _asked.get(place, 0.0) < time.monotonic() - 1.0:
        with _lock:
            _asked[place] = time.monotonic()
        upkeep.start()
    return _view.get(place, Measured())


def look(models: Iterable[ModelInfo]) -> None:
    """Have everything at hand that any process knows of these models. Blocking.

    Without Redis what this process knows has to do.
    """
    for model in models:
        measured(model)
        breaker.open_for_s(place_of(model))
    for chore in ("health told", "health read", "breakers"):
        upkeep.do(chore)


def health_of(model: ModelInfo) -> tuple[Health, str]:
    """Return whether a model can be asked now, and why not in words."""
    why_down = _why_down(model)
    if why_down:
        return Health.DOWN, why_down
    why_degraded = _why_degraded(measured(model), in_process=model.in_process)
    return (Health.DEGRADED, why_degraded) if why_degraded else (Health.UP, "")


def _why_down(model: ModelInfo) -> str:
    source = configuration.current().sources.get(model.source_id) if model.source_id else None
    if source is not None and source.key_refused:
        return "the provider refuses its key"
    if source is not None and source.simulate_failure:
        return "its failure is simulated"
    open_s = breaker.open_for_s(place_of(model))
    return f"it failed too often; asked again in {open_s:.0f} s" if open_s > 0 else ""


def _why_degraded(known: Measured, *, in_process: bool) -> str:
    many = known.calls >= FEW_CALLS
    slow = (known.first_p95_ms or 0) > SLOW_MS and not in_process
    signs = (
        (known.key_refused > 0, "its key was refused lately"),
        (known.rate_limited >= _RATE_LIMITED, "it is rate limited"),
        (many and known.error_rate >= ERROR_SHARE, f"{known.error_rate:.0%} of its calls fail"),
        (many and slow, f"first words take {known.first_p95_ms or 0:.0f} ms (p95)"),
    )
    return next((words for shows, words in signs if shows), "")


def forget() -> None:
    """Drop what is counted and known; for tests."""
    with _lock:
        _tallies.clear()
        _asked.clear()
        _view.clear()


upkeep.register("health told", flush, every_s=_FLUSH_EVERY_S)
upkeep.register("health read", read, every_s=_READ_EVERY_S)
