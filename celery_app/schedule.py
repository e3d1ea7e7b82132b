"""What beat starts, by name."""

from typing import Any

from celery.schedules import crontab

from celery_app.queues import QUEUES

SCHEDULE: dict[str, dict[str, Any]] = {
    **{
        f"canary-{queue}": {
            "task": "jobs.beat_heartbeat",
            "schedule": 10.0,
            "kwargs": {"queue": queue},
            "options": {"queue": queue, "expires": 30},
        }
        for queue in QUEUES
    },
    "clear-expired-credentials": {
        "task": "accounts.clear_expired",
        "schedule": 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
    "erase-expired-conversations": {
        "task": "conversations.erase_expired",
        "schedule": 300.0,
        "options": {"queue": "default", "expires": 300},
    },
    "sweep-attachments": {
        "task": "conversations.sweep_all_attachments",
        "schedule": 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
    "erase-old-guardrail-decisions": {
        "task": "providers.erase_old_decisions",
        "schedule": 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
    "tend-ledger": {
        "task": "providers.tend_ledger",
        "schedule": 24 * 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
    "watch-providers": {
        "task": "providers.watch",
        "schedule": 30.0,
        "options": {"queue": "default", "expires": 30},
    },
    "fill-spares": {
        "task": "tenants.fill_spares",
        "schedule": 300.0,
        "options": {"queue": "default", "expires": 300},
    },
    "catch-up-search": {
        "task": "conversations.catch_up_search",
        "schedule": 60.0,
        "options": {"queue": "default", "expires": 60},
    },
    "catch-up-embeddings": {
        "task": "providers.catch_up_embeddings",
        "schedule": 600.0,
        "options": {"queue": "default", "expires": 300},
    },
    "export-memory-analytics": {
        "task": "memory.export_all_analytics",
        "schedule": 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
    "sample-recall-quality": {
        "task": "memory.sample_recall_quality",
        "schedule": crontab(hour=3, minute=20),
        "options": {"queue": "gpu.consolidation", "expires": 3600},
    },
    "sweep-memories": {
        "task": "memory.sweep_all",
        "schedule": 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
    "consolidate-memories": {
        "task": "memory.consolidate_all",
        "schedule": crontab(hour=2, minute=30),
        "options": {"queue": "default", "expires": 3600},
    },
    "tidy-search": {
        "task": "conversations.tidy_search",
        "schedule": 6 * 3600.0,
        "options": {"queue": "default", "expires": 3600},
    },
}
