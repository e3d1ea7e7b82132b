"""Prometheus metrics that belong to no single app.

Each app declares its own in its `metrics.py`; names follow the seeds (`kari_chat_*`,
`kari_model_*`). Label values come from small fixed sets, never from user input.
"""

from prometheus_client import Counter

errors_total = Counter(
    "karen_errors_total", "Errors rendered at an edge, by code and edge.", ["code", "edge"]
)
unhandled_total = Counter(
    "karen_unhandled_errors_total",
    "Exceptions caught at one of the three broad handlers.",
    ["site"],
)
rate_limited_total = Counter(
    "karen_rate_limited_total", "Requests refused by a rate limit, by its name.", ["limit"]
)
