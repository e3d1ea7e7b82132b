"""Metrics of tools; the first name is the seeds'."""

from prometheus_client import Counter, Histogram

tool_calls_total = Counter(
    "kari_chat_tool_calls_total", "Calls of tools, by tool and how they ended.", ["tool", "status"]
)
tool_seconds = Histogram(
    "karen_tool_seconds",
    "Time of a tool's own work, in seconds.",
    ["tool"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60),
)
