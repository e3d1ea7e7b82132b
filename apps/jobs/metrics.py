"""Metrics of background work."""

from prometheus_client import Counter, Gauge, Histogram

task_seconds = Histogram("karen_task_seconds", "Run time of a task in seconds.", ["task"])
dead_letters_total = Counter(
    "karen_dead_letters_total",
    "Tasks that could not be run, by task and reason.",
    ["task", "reason"],
)
published_total = Counter(
    "karen_outbox_published_total", "Tasks handed to the broker, by way.", ["way"]
)
leases_reaped_total = Counter(
    "karen_leases_reaped_total", "Leases that ran out and were handled, by kind.", ["kind"]
)
outbox_backlog = Gauge("karen_outbox_backlog", "Outbox entries the relay saw waiting.")
