"""What the gateway counts. Labels are bounded: flows, configured models, outcomes."""

import math
from functools import partial

import redis
from prometheus_client import Counter, Gauge, Histogram

from apps.core.keys import platform_key
from apps.core.redis import RedisRole, redis_client

_WAITING_TTL_S = 3_600  # a figure that nobody measured for so long says nothing

OPERATIONS = Counter(
    "kari_model_operations",
    "Model calls by flow, model and outcome (ok, closed, or an error code).",
    ["operation", "model", "status"],
)
DURATION = Histogram(
    "kari_model_operation_duration_seconds",
    "Time of a whole model call.",
    ["operation", "model"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
FIRST_TOKEN = Histogram(
    "kari_model_first_token_seconds",
    "Time from the call to the first visible event.",
    ["operation", "model"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
TOKENS = Counter(
    "kari_model_tokens",
    "Tokens by direction (prompt, completion); estimates included.",
    ["operation", "model", "direction"],
)
RETRIES = Counter(
    "kari_model_retries", "Attempts repeated before the first token.", ["model", "cause"]
)
EMBEDDING_CACHE = Counter(
    "kari_embedding_cache",
    "Texts whose vector was wanted, by where it was found: memory, redis, none.",
    ["layer", "outcome"],
)
EMBEDDINGS_WAITING = Gauge(
    "kari_embeddings_waiting",
    "Rows of all workspaces without a vector of the present model, when last measured.",
    ["collection"],
)
HEDGES = Counter(
    "kari_model_hedges", "Embedding calls that were asked twice, by which answer won.", ["winner"]
)
PREFIX_TOKENS = Counter(
    "kari_model_local_prompt_tokens",
    "Prompt tokens of local models: reused from the cache or read anew.",
    ["outcome"],
)
LEDGER_LOST = Counter(
    "kari_model_ledger_lost", "Calls that never reached the ledger: the database was away too long."
)
BUDGET_REFUSALS = Counter(
    "kari_model_budget_refusals", "Calls refused by a hard budget.", ["level", "unit"]
)
BUDGET_ALERTS = Counter(
    "kari_model_budget_alerts", "Budgets that passed their alert share.", ["level", "unit"]
)
BREAKER_OPENED = Counter("kari_model_breaker_opened", "Circuit breakers that opened.", ["model"])
WATCHED = Counter(
    "kari_model_watched",
    "Providers that failed lately and were asked for their models, by how that ended.",
    ["outcome"],
)
CACHE = Counter(
    "kari_model_cache",
    "Questions by what the cache did (memory, redis, joined, miss).",
    ["outcome"],
)


# How much waits is measured by one worker and shown by every process.


def watch_waiting(collection: str) -> None:
    """Show how many rows of a collection wait for a vector."""
    EMBEDDINGS_WAITING.labels(collection).set_function(partial(_waiting, collection))


def note_waiting(totals: dict[str, int]) -> None:
    """Keep what was measured, by collection."""
    if totals:
        client = redis_client(RedisRole.CACHE)
        for name, count in totals.items():
            client.hset(_waiting_key(), name, str(count))
        client.expire(_waiting_key(), _WAITING_TTL_S)


def _waiting(collection: str) -> float:
    try:
        value = redis_client(RedisRole.CACHE).hget(_waiting_key(), collection)
    except redis.RedisError:
        return math.nan
    return float(value) if isinstance(value, bytes) else math.nan


def _waiting_key() -> str:
    return platform_key("embeddings", "waiting")


LOCAL_UNLOADS = Counter(
    "kari_model_local_unloads",
    "Local models given up by this process: idle for long, or in the way of another one.",
    ["reason"],
)
LOCAL_LOADED = Gauge("kari_model_local_loaded", "Local models in this process's memory.")
LOCAL_MEMORY_BYTES = Gauge(
    "kari_model_local_memory_bytes", "What the loaded local models are estimated to take."
)
DOWNLOAD_BYTES = Counter(
    "kari_model_download_bytes", "Bytes of model files that were fetched for the library."
)
STORAGE_BYTES = Gauge("kari_model_storage_bytes", "Bytes of model files in the models folder.")
