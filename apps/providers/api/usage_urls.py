"""Addresses of usage and budgets below `/api/v1/`."""

from django.urls import path

from apps.providers.api import budgets, usage

urlpatterns = [
    path("usage", usage.UsageView.as_view(), name="usage"),
    path("usage.csv", usage.UsageFileView.as_view(), name="usage_file"),
    path("usage/calls", usage.CallsView.as_view(), name="usage_calls"),
    path("usage/estimate", usage.EstimateView.as_view(), name="usage_estimate"),
    path("budgets", budgets.BudgetsView.as_view(), name="budgets"),
    path("budgets/<uuid:budget_id>", budgets.BudgetView.as_view(), name="budget"),
]
