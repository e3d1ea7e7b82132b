"""Addresses of the gateway below `/api/v1/`."""

from django.urls import path

from apps.providers.api import embeddings, evaluations, guardrails, prompts

urlpatterns = [
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
]
