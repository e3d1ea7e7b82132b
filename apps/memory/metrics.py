"""Metrics of memory; the first is named as in the seeds."""

import math

import redis
from prometheus_client import Counter, Gauge, Histogram

from apps.core.keys import platform_key
from apps.core.redis import RedisRole, redis_client

memory_writes_total = Counter(
    "kari_chat_memory_writes_total", "Memories kept, changed or erased.", ["operation"]
)
recall_seconds = Histogram(
    "kari_memory_recall_seconds",
    "Time of a whole recall.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5),
)
recall_missing_total = Counter(
    "kari_memory_recall_missing_total", "Recalls that went without a signal.", ["signal"]
)
recall_stage_seconds = Histogram(
    "kari_memory_recall_stage_seconds",
    "Time of a recall's stages: look (is there anything), words (found in the index), meaning (the"
    " question's vector, beside words), things (fetched with their cosines), rank, texts.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
recall_results_total = Counter(
    "kari_memory_recall_results_total",
    "Things recalled, by source: memory, or said word for word.",
    ["source"],
)
recall_quality = Gauge(
    "kari_memory_recall_quality",
    "Share of sampled memories found among the first ten by the words they rest on, last night.",
)

_QUALITY_TTL_S = 2 * 86_400  # a figure that no night renewed is not one any more


def publish_quality(share: float) -> None:
    """Have every process show how much the nightly sample found, from 0 to 1."""
    redis_client(RedisRole.CACHE).set(_quality_key(), share, ex=_QUALITY_TTL_S)


def _quality() -> float:
    try:
        value = redis_client(RedisRole.CACHE).get(_quality_key())
    except redis.RedisError:
        return math.nan
    return float(value) if isinstance(value, bytes) else math.nan


def _quality_key() -> str:
    return platform_key("memory", "recall-quality")


recall_quality.set_function(_quality)
retired_total = Counter(
    "kari_memory_retired_total", "Memories that became archived or expired.", ["reason"]
)
consolidated_total = Counter(
    "kari_memory_consolidated_total", "Memories that others took the place of.", ["how"]
)
consolidations_total = Counter(
    "kari_memory_consolidations_total", "Runs of consolidation over a subject.", ["outcome"]
)
erased_total = Counter("kari_memory_erased_total", "Things erased for good.", ["what", "reason"])
