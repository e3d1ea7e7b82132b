"""Metrics of memory; the first is named as in the seeds."""

from prometheus_client import Counter, Histogram

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
