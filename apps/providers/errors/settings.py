"""What can go wrong when the gateway is set up."""

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class PromptNotFound(KarenError):
    """There is no prompt of this name, or no such version, set, run or experiment of it here."""

    code = "prompt_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such prompt, version, evaluation or experiment here.")


class PromptInvalid(KarenError):
    """A wording cannot be used; `part` says where and `problem` why."""

    code = "prompt_invalid"
    status = 422
    public_fields = ("prompt", "part", "problem")

    def __init__(self, *, prompt: str, part: str, problem: str) -> None:
        super().__init__(prompt, part, problem)
        self.prompt = prompt
        self.part = part
        self.problem = problem

    @override
    def message(self) -> str:
        return _("The prompt cannot be used: %(part)s %(problem)s.") % {
            "part": self.part,
            "problem": self.problem,
        }


class PromptValueInvalid(KarenError):
    """A value does not fit its variable; `variable` names it."""

    code = "prompt_value_invalid"
    status = 422
    public_fields = ("prompt", "variable", "problem")

    def __init__(self, *, prompt: str, variable: str, problem: str) -> None:
        super().__init__(prompt, variable, problem)
        self.prompt = prompt
        self.variable = variable
        self.problem = problem

    @override
    def message(self) -> str:
        return _("The value of %(variable)s does not fit: it %(problem)s.") % {
            "variable": self.variable,
            "problem": self.problem,
        }


class ExperimentRuns(KarenError):
    """The prompt has an experiment already; stop it before its versions change."""

    code = "prompt_experiment_runs"
    status = 409

    @override
    def message(self) -> str:
        return _("An experiment with this prompt is running. Stop it first.")


class ProviderNotFound(KarenError):
    """There is no such provider here, or it is another workspace's."""

    code = "provider_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such provider here.")


class ProviderModelNotFound(KarenError):
    """The provider has no such model."""

    code = "provider_model_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("This provider has no such model.")


class RoutingPolicyNotFound(KarenError):
    """There is no such routing policy here, or it is another workspace's."""

    code = "routing_policy_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such routing policy here.")


class OfferedByPlatform(KarenError):
    """It is the platform's: a workspace uses it and does not change it."""

    code = "offered_by_platform"
    status = 403

    @override
    def message(self) -> str:
        return _("The platform offers this; only its operators change it. Add your own instead.")


class BudgetNotFound(KarenError):
    """The workspace has no such budget."""

    code = "budget_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such budget.")


class BudgetExists(KarenError):
    """There is a budget for the same subject, unit and period."""

    code = "budget_exists"
    status = 409

    @override
    def message(self) -> str:
        return _("There is a budget for this already; change that one.")


class ModelImportRefused(KarenError):
    """A model file does not come into the library, or not out of it; `problem` says why."""

    code = "model_import_refused"
    status = 422
    public_fields = ("problem",)

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    @override
    def message(self) -> str:
        return _("The model file was not accepted: %(problem)s.") % {"problem": self.problem}
