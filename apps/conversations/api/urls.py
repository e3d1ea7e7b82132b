"""Routes below `/api/v1/`."""

from django.urls import path

from apps.conversations.api import (
    agui,
    attachments,
    context,
    feedback,
    folders,
    personas,
    search,
    sharing,
    streaming,
    trace,
    transfer,
    views,
)

urlpatterns = [
    path("agui", agui.run, name="agui"),
    path("conversations", views.ConversationsView.as_view(), name="conversations"),
    path(
        "conversations/<uuid:conversation_id>",
        views.ConversationView.as_view(),
        name="conversation",
    ),
    path(
        "conversations/<uuid:conversation_id>/messages",
        views.MessagesView.as_view(),
        name="messages",
    ),
    path("conversations/<uuid:conversation_id>/branch", views.BranchView.as_view(), name="branch"),
    path(
        "messages/<uuid:message_id>/regenerate",
        views.RegenerateView.as_view(),
        name="message-regenerate",
    ),
    path(
        "messages/<uuid:message_id>/continue", views.ContinueView.as_view(), name="message-continue"
    ),
    path(
        "conversations/<uuid:conversation_id>/gauge",
        context.GaugeView.as_view(),
        name="conversation-gauge",
    ),
    path("turns/<uuid:turn_id>/context", context.TurnContextView.as_view(), name="turn-context"),
    path("turns", views.TurnsView.as_view(), name="turns"),
    path("turns/<uuid:turn_id>", views.TurnView.as_view(), name="turn"),
    path("turns/<uuid:turn_id>/cancel", views.CancelTurnView.as_view(), name="turn-cancel"),
    path("folders", folders.FoldersView.as_view(), name="folders"),
    path("folders/<uuid:folder_id>", folders.FolderView.as_view(), name="folder"),
    path("conversations/bulk", folders.BulkView.as_view(), name="conversations-bulk"),
    path("conversations/import", transfer.ImportsView.as_view(), name="imports"),
    path("imports/<uuid:import_id>", transfer.ImportView.as_view(), name="import"),
    path(
        "conversations/<uuid:conversation_id>/export",
        transfer.ExportView.as_view(),
        name="conversation-export",
    ),
    path(
        "conversations/<uuid:conversation_id>/fork",
        sharing.ForkView.as_view(),
        name="conversation-fork",
    ),
    path(
        "conversations/<uuid:conversation_id>/shares", sharing.SharesView.as_view(), name="shares"
    ),
    path("shares/<uuid:share_id>", sharing.ShareView.as_view(), name="share"),
    path(
        "conversations/<uuid:conversation_id>/participants",
        sharing.ParticipantsView.as_view(),
        name="participants",
    ),
    path(
        "conversations/<uuid:conversation_id>/participants/<uuid:user_id>",
        sharing.ParticipantView.as_view(),
        name="participant",
    ),
    path("members", sharing.MembersView.as_view(), name="members"),
    path(
        "messages/<uuid:message_id>/feedback",
        feedback.FeedbackView.as_view(),
        name="message-feedback",
    ),
    path("messages/<uuid:message_id>/pin", feedback.PinView.as_view(), name="message-pin"),
    path("personas", personas.PersonasView.as_view(), name="personas"),
    path("personas/<slug:slug>", personas.PersonaView.as_view(), name="persona"),
    path("commands", personas.CommandsView.as_view(), name="commands"),
    path("attachments", attachments.AttachmentsView.as_view(), name="attachments"),
    path(
        "attachments/<uuid:attachment_id>",
        attachments.AttachmentView.as_view(),
        name="attachment",
    ),
    path(
        "attachments/<uuid:attachment_id>/content",
        attachments.AttachmentContentView.as_view(),
        name="attachment-content",
    ),
    path(
        "attachments/<uuid:attachment_id>/thumbnail",
        attachments.AttachmentThumbnailView.as_view(),
        name="attachment-thumbnail",
    ),
    path("search", search.SearchView.as_view(), name="search"),
    path("turns/<uuid:turn_id>/trace", trace.TurnTraceView.as_view(), name="turn-trace"),
    path("turns/<uuid:turn_id>/events", streaming.turn_events, name="turn-events"),
    path("tools", personas.ToolsView.as_view(), name="tools"),
    path("models", views.ModelsView.as_view(), name="models"),
]
