"""REST views of evaluations and experiments: parse, call one service, render."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.schema import page_of
from apps.providers.api.prompts import PromptsApi
from apps.providers.api.serializers import (
    CountedSerializer,
    EvaluationRunSerializer,
    EvaluationSetSerializer,
    ExperimentSerializer,
    NewEvaluationRunSerializer,
    NewEvaluationSetSerializer,
    NewExperimentSerializer,
    OutcomeSerializer,
    StopExperimentSerializer,
)
from apps.providers.permissions import EDIT_PROMPTS, READ_PROMPTS
from apps.providers.services import evaluations, experiments

_READ_OR_EDIT = {"GET": READ_PROMPTS, "POST": EDIT_PROMPTS}


class EvaluationSetsView(PromptsApi):
    """The evaluation sets of a prompt."""

    permission = _READ_OR_EDIT

    @extend_schema(
        operation_id="prompt_evaluations_list", responses=page_of(EvaluationSetSerializer)
    )
    def get(self, request: Request, name: str) -> Response:
        """List the sets, by name."""
        found = evaluations.list_evaluation_sets(
            actor=self.actor, permission=READ_PROMPTS, prompt=name
        )
        return Response({"results": EvaluationSetSerializer(found, many=True).data, "next": None})

    @extend_schema(request=NewEvaluationSetSerializer, responses={201: EvaluationSetSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Keep a set; one of the same name is replaced."""
        wanted = self.parsed(NewEvaluationSetSerializer(data=request.data))
        kept = evaluations.save_evaluation_set(
            actor=self.actor, permission=EDIT_PROMPTS, prompt=name, **wanted
        )
        return Response(EvaluationSetSerializer(kept).data, status=status.HTTP_201_CREATED)


class EvaluationSetView(PromptsApi):
    """One evaluation set."""

    permission = EDIT_PROMPTS

    @extend_schema(operation_id="prompt_evaluations_destroy", responses={204: None})
    def delete(self, request: Request, set_id: UUID) -> Response:
        """Delete a set with its runs."""
        evaluations.delete_evaluation_set(actor=self.actor, permission=EDIT_PROMPTS, set_id=set_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EvaluationRunsView(PromptsApi):
    """The runs of a set."""

    permission = _READ_OR_EDIT

    @extend_schema(
        operation_id="prompt_evaluation_runs_list", responses=page_of(EvaluationRunSerializer)
    )
    def get(self, request: Request, set_id: UUID) -> Response:
        """List the latest runs, newest first."""
        found = evaluations.list_evaluation_runs(
            actor=self.actor, permission=READ_PROMPTS, set_id=set_id
        )
        return Response({"results": EvaluationRunSerializer(found, many=True).data, "next": None})

    @extend_schema(request=NewEvaluationRunSerializer, responses={202: EvaluationRunSerializer})
    def post(self, request: Request, set_id: UUID) -> Response:
        """Have a version tried with the set's cases, in the background."""
        wanted = self.parsed(NewEvaluationRunSerializer(data=request.data))
        run = evaluations.start_evaluation(
            actor=self.actor,
            permission=EDIT_PROMPTS,
            set_id=set_id,
            number=wanted["version"],
            model=wanted.get("model"),
        )
        return Response(EvaluationRunSerializer(run).data, status=status.HTTP_202_ACCEPTED)


class EvaluationRunView(PromptsApi):
    """One run."""

    permission = READ_PROMPTS

    @extend_schema(
        operation_id="prompt_evaluation_runs_retrieve", responses=EvaluationRunSerializer
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        """Show a run with its results so far."""
        run = evaluations.get_evaluation_run(
            actor=self.actor, permission=READ_PROMPTS, run_id=run_id
        )
        return Response(EvaluationRunSerializer(run).data)


class ExperimentsView(PromptsApi):
    """The experiments with a prompt."""

    permission = _READ_OR_EDIT

    @extend_schema(operation_id="prompt_experiments_list", responses=page_of(ExperimentSerializer))
    def get(self, request: Request, name: str) -> Response:
        """List the latest experiments, newest first."""
        found = experiments.list_experiments(actor=self.actor, permission=READ_PROMPTS, name=name)
        return Response({"results": ExperimentSerializer(found, many=True).data, "next": None})

    @extend_schema(request=NewExperimentSerializer, responses={201: ExperimentSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Give a share of the calls to a version, and the rest to the one that holds."""
        wanted = self.parsed(NewExperimentSerializer(data=request.data))
        made = experiments.start_experiment(
            actor=self.actor, permission=EDIT_PROMPTS, name=name, **wanted
        )
        return Response(ExperimentSerializer(made).data, status=status.HTTP_201_CREATED)


class ExperimentView(PromptsApi):
    """One experiment."""

    permission = READ_PROMPTS

    @extend_schema(operation_id="prompt_experiments_retrieve", responses=ExperimentSerializer)
    def get(self, request: Request, experiment_id: UUID) -> Response:
        """Show an experiment with what it shows so far."""
        found = experiments.get_experiment(
            actor=self.actor, permission=READ_PROMPTS, experiment_id=experiment_id
        )
        return Response(ExperimentSerializer(found).data)


class StopExperimentView(PromptsApi):
    """The end of an experiment."""

    permission = EDIT_PROMPTS

    @extend_schema(request=StopExperimentSerializer, responses=ExperimentSerializer)
    def post(self, request: Request, experiment_id: UUID) -> Response:
        """End an experiment and have one of its versions hold."""
        wanted = self.parsed(StopExperimentSerializer(data=request.data))
        ended = experiments.stop_experiment(
            actor=self.actor, permission=EDIT_PROMPTS, experiment_id=experiment_id, **wanted
        )
        return Response(ExperimentSerializer(ended).data)


class OutcomesView(PromptsApi):
    """What is counted in an experiment."""

    permission = EDIT_PROMPTS

    @extend_schema(request=OutcomeSerializer, responses=CountedSerializer)
    def post(self, request: Request, experiment_id: UUID) -> Response:
        """Count how a subject fared."""
        wanted = self.parsed(OutcomeSerializer(data=request.data))
        counted = experiments.record_prompt_outcome(
            actor=self.actor, permission=EDIT_PROMPTS, experiment_id=experiment_id, **wanted
        )
        return Response({"counted": counted})
