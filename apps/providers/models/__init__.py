"""The platform's books of the gateway."""

from apps.providers.models.prompts import (
    EvaluationRun,
    EvaluationSet,
    Prompt,
    PromptExperiment,
    PromptOutcome,
    PromptVersion,
)

__all__ = [
    "EvaluationRun",
    "EvaluationSet",
    "Prompt",
    "PromptExperiment",
    "PromptOutcome",
    "PromptVersion",
]
