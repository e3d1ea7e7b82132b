"""The part of Celery's configuration that comes from the settings."""

from pathlib import Path

from django.conf import settings

broker_url = settings.REDIS_URLS["broker"]
worker_concurrency = settings.CHAT_THREADS
beat_schedule_filename = str(Path(settings.KAREN_VAR) / "celerybeat-schedule")
