"""Background work in the operators' console: what waits, and what could not be run."""

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy
from typing_extensions import override
from unfold.admin import ModelAdmin

from apps.core.errors import KarenError
from apps.core.logging import redact_secrets
from apps.jobs import services
from apps.jobs.models import DeadLetter, OutboxEntry


def _readable(kwargs: dict[str, object]) -> str:
    """Return a task's arguments as JSON, without what looks like a secret."""
    shown = redact_secrets(None, "", dict(kwargs))
    return json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False)


class _WorkAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Rows that only the machinery writes."""

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a row by hand."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody edits a row by hand."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody deletes a row by hand."""
        return False

    @admin.display(description=gettext_lazy("arguments"))
    def payload(self, row: DeadLetter | OutboxEntry) -> str:
        """Show the task's arguments, redacted."""
        return _readable(row.kwargs)


@admin.register(DeadLetter)
class DeadLetterAdmin(_WorkAdmin):
    """Tasks that could not be run, with running them again."""

    list_display = ("at", "task", "queue", "reason", "tenant_id", "replayed_at")
    list_filter = (("replayed_at", admin.EmptyFieldListFilter), "queue", "reason")
    search_fields = ("task", "correlation_id")
    fields = (
        "at",
        "task",
        "queue",
        "reason",
        "failure",
        "tenant_id",
        "correlation_id",
        "payload",
        "replayed_at",
    )
    actions = ("replay",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Say whether this operator may replay."""
        return request.user.has_perm("jobs.change_deadletter")

    @admin.display(description=gettext_lazy("error"))
    def failure(self, letter: DeadLetter) -> str:
        """Show what went wrong, redacted: errors may quote what they were given."""
        return str(redact_secrets(None, "", {"error": letter.error})["error"])

    @admin.action(permissions=["operate"], description=gettext_lazy("Run chosen tasks again"))
    def replay(self, request: HttpRequest, chosen: QuerySet[DeadLetter]) -> None:
        """Enqueue the chosen tasks once more, each with its own tenant."""
        for letter in chosen:
            try:
                services.replay_dead_letter(dead_letter_id=letter.pk)
            except KarenError as error:
                messages.error(request, f"{letter.task}: {error.message()}")
            else:
                messages.success(request, _("%(task)s: queued.") % {"task": letter.task})


@admin.register(OutboxEntry)
class OutboxEntryAdmin(_WorkAdmin):
    """Tasks that the broker does not have yet."""

    list_display = ("created_at", "task", "queue", "tenant_id", "attempts")
    list_filter = ("queue",)
    search_fields = ("task", "correlation_id")
    fields = ("created_at", "task", "queue", "tenant_id", "correlation_id", "payload", "attempts")
