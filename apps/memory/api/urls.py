"""Routes below `/api/v1/`."""

from django.urls import path

from apps.memory.api import analytics, changing, policy_views, transparency, views

_ONE = "memories/<uuid:memory_id>"
_CHANGE = "memories/changes/<uuid:change_id>"

urlpatterns = [
    path("memory-analytics", analytics.MemoryAnalyticsView.as_view(), name="memory_analytics"),
    path("memories", views.MemoriesView.as_view(), name="memories"),
    path("memories/search", transparency.MemorySearchView.as_view(), name="memory-search"),
    path("memories/forget", transparency.ForgetView.as_view(), name="memory-forget"),
    path("memories/export", transparency.MemoryExportView.as_view(), name="memory-export"),
    path("memories/entities", transparency.EntitiesView.as_view(), name="memory-entities"),
    path("memories/graph", transparency.GraphView.as_view(), name="memory-graph"),
    path("memories/merge", changing.MergeView.as_view(), name="memory-merge"),
    path("memories/changes", changing.ChangesView.as_view(), name="memory-changes"),
    path(_CHANGE, changing.ChangeView.as_view(), name="memory-change"),
    path(f"{_CHANGE}/undo", changing.UndoView.as_view(), name="memory-change-undo"),
    path(_ONE, views.MemoryView.as_view(), name="memory"),
    path(f"{_ONE}/history", transparency.MemoryHistoryView.as_view(), name="memory-history"),
    path(f"{_ONE}/restore", changing.RestoreView.as_view(), name="memory-restore"),
    path(f"{_ONE}/why", transparency.MemoryReasonsView.as_view(), name="memory-why"),
    path(
        "people/<uuid:user_id>/memories",
        transparency.PersonMemoriesView.as_view(),
        name="person-memories",
    ),
    path("memory-policy", policy_views.MemoryPolicyView.as_view(), name="memory-policy"),
]
