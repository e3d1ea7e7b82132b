"""Wiring: settings, URLs, ASGI. Imported by no app.

Importing the Celery app here makes it the current one in every process that loads the settings, so
that publishing a task reaches Karen's broker (Celery's own advice for Django).
"""

import celery_app

__all__ = ["celery_app"]
