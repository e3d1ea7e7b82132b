"""Addresses of the gateway below `/api/v1/`."""

from django.urls import path

from apps.providers.api import embeddings, evaluations, guardrails, prompts, router, status, views

_ONE = "providers/<uuid:provider_id>"

urlpatterns = [
    path("router/explain", router.RouterExplainView.as_view(), name="router_explain"),
    path("embeddings", embeddings.EmbeddingsView.as_view(), name="embeddings"),
    path("guardrails", guardrails.GuardrailsView.as_view(), name="guardrails"),
    path(
        "guardrails/decisions",
        guardrails.GuardrailDecisionsView.as_view(),
        name="guardrail_decisions",
    ),
    path("guardrails/check", guardrails.GuardrailCheckView.as_view(), name="guardrail_check"),
    path("prompts", prompts.PromptsView.as_view(), name="prompts"),
    path("prompts/<str:name>", prompts.PromptDetailView.as_view(), name="prompt"),
    path("prompts/<str:name>/versions", prompts.VersionsView.as_view(), name="prompt_versions"),
    path(
        "prompts/<str:name>/versions/<int:number>",
        prompts.VersionView.as_view(),
        name="prompt_version",
    ),
    path("prompts/<str:name>/diff", prompts.DiffView.as_view(), name="prompt_diff"),
    path("prompts/<str:name>/activate", prompts.ActivateView.as_view(), name="prompt_activate"),
    path("prompts/<str:name>/rollback", prompts.RollbackView.as_view(), name="prompt_rollback"),
    path("prompts/<str:name>/preview", prompts.PreviewView.as_view(), name="prompt_preview"),
    path(
        "prompts/<str:name>/evaluations",
        evaluations.EvaluationSetsView.as_view(),
        name="prompt_evaluations",
    ),
    path(
        "prompts/<str:name>/experiments",
        evaluations.ExperimentsView.as_view(),
        name="prompt_experiments",
    ),
    path(
        "prompt-evaluations/<uuid:set_id>",
        evaluations.EvaluationSetView.as_view(),
        name="prompt_evaluation",
    ),
    path(
        "prompt-evaluations/<uuid:set_id>/runs",
        evaluations.EvaluationRunsView.as_view(),
        name="prompt_evaluation_runs",
    ),
    path(
        "prompt-evaluation-runs/<uuid:run_id>",
        evaluations.EvaluationRunView.as_view(),
        name="prompt_evaluation_run",
    ),
    path(
        "prompt-experiments/<uuid:experiment_id>",
        evaluations.ExperimentView.as_view(),
        name="prompt_experiment",
    ),
    path(
        "prompt-experiments/<uuid:experiment_id>/stop",
        evaluations.StopExperimentView.as_view(),
        name="prompt_experiment_stop",
    ),
    path(
        "prompt-experiments/<uuid:experiment_id>/outcomes",
        evaluations.OutcomesView.as_view(),
        name="prompt_experiment_outcomes",
    ),
    path("providers", views.ProvidersView.as_view(), name="providers"),
    path("providers/status", status.ProviderStatusView.as_view(), name="providers_status"),
    path(_ONE, views.ProviderDetailView.as_view(), name="provider"),
    path(f"{_ONE}/key", views.ProviderKeyView.as_view(), name="provider_key"),
    path(f"{_ONE}/test", views.ProviderTestView.as_view(), name="provider_test"),
    path(f"{_ONE}/discover", views.ProviderDiscoverView.as_view(), name="provider_discover"),
    path(f"{_ONE}/models", views.ProviderModelsView.as_view(), name="provider_models"),
    path(
        f"{_ONE}/models/<uuid:model_id>",
        views.ProviderModelView.as_view(),
        name="provider_model",
    ),
    path("gateway/settings", views.GatewaySettingsView.as_view(), name="gateway_settings"),
    path("routing-policies", views.RoutingPoliciesView.as_view(), name="routing_policies"),
    path(
        "routing-policies/<uuid:policy_id>",
        views.RoutingPolicyView.as_view(),
        name="routing_policy",
    ),
]
