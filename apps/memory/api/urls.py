"""Routes below `/api/v1/`."""

from django.urls import path

from apps.memory.api import views

urlpatterns = [
    path("memories", views.MemoriesView.as_view(), name="memories"),
    path("memories/<uuid:memory_id>", views.MemoryView.as_view(), name="memory"),
]
