"""Telling people's clients that an attachment moved on."""

from uuid import UUID

from django.db import transaction

from apps.conversations.attachments.selectors import attachment_view, people_who_see
from apps.conversations.contracts import AttachmentChanged, Notice
from apps.conversations.models.attachments import Attachment
from apps.conversations.notices import publish
from apps.conversations.rendering import as_json


def announce(attachment_id: UUID) -> None:
    """Tell, when the caller's transaction commits, how the attachment is then."""
    transaction.on_commit(lambda: _announce_now(attachment_id))


def _announce_now(attachment_id: UUID) -> None:
    row = (
        Attachment.objects.select_related("conversation")
        .filter(pk=attachment_id)
        .defer("text")
        .first()
    )
    if row is None:
        return
    notices: list[Notice] = [AttachmentChanged(attachment=as_json(attachment_view(row)))]
    publish(dict.fromkeys(people_who_see(row), notices))
