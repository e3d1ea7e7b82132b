"""Telling people's clients that an attachment moved on.

Whoever owns the stream of notices registers itself: attachments stand below it.
"""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from apps.conversations.attachments.contracts import AttachmentView
from apps.conversations.attachments.selectors import attachment_view
from apps.conversations.models.attachments import Attachment

Announcer = Callable[[UUID, AttachmentView], None]
_announcers: list[Announcer] = []


def register_announcer(announcer: Announcer) -> None:
    """Name what is called with (owner's id, view) after each change was committed."""
    if announcer not in _announcers:
        _announcers.append(announcer)


def announce(attachment_id: UUID) -> None:
    """Tell, when the caller's transaction commits, how the attachment is then."""
    if _announcers:
        transaction.on_commit(lambda: _announce_now(attachment_id))


def _announce_now(attachment_id: UUID) -> None:
    row = Attachment.objects.filter(pk=attachment_id).defer("text").first()
    if row is None:
        return
    view = attachment_view(row)
    for announcer in _announcers:
        announcer(row.owner_id, view)
