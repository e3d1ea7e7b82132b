"""Wiring of Celery: the app, its queues, its schedule. Imported by no app."""

from celery_app import lifecycle
from celery_app.app import app

__all__ = ["app", "lifecycle"]
