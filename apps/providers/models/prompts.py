"""Versions of prompts, their evaluations, and experiments between them.

A row without a tenant is the platform's: it holds for every workspace that has none of its own.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id
from apps.providers.domain.arms import ARM_A, ARM_B, SUBJECT_CHARACTERS

RUNNING, STOPPED = "running", "stopped"
QUEUED, DONE = "queued", "done"


class Prompt(models.Model):
    """A prompt that a workspace, or the platform, has versions of.

    Attributes:
        active: The version in force; null where what stands below is.
        history: Numbers of the versions that were in force before, the latest last; 0 for what
            stands below.
        versions_made: The number of the newest version; its update is the lock for the next one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant",
        models.CASCADE,
        null=True,
        related_name="+",
        verbose_name="workspace",
    )
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=300, blank=True)
    active = models.ForeignKey("PromptVersion", models.SET_NULL, null=True, related_name="+")
    history = ArrayField(models.PositiveIntegerField(), default=list)
    versions_made = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "name"), name="prompt_once", nulls_distinct=False
            ),
        )

    @override
    def __str__(self) -> str:
        return self.name


class PromptVersion(models.Model):
    """One wording of a prompt. It is never changed: another wording is another version.

    Attributes:
        messages: `[{"role": …, "text": …}]`.
        variables: What the texts may refer to, as the prompt declared it when this was written.
        base: Digest of the shipped wording it was written over; it may have changed since.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    messages = models.JSONField()
    variables = models.JSONField(default=list)
    role = models.TextField(blank=True)
    think_first = models.BooleanField(default=False)
    examples = models.JSONField(default=list)
    examples_k = models.PositiveSmallIntegerField(default=0)
    output_schema = models.TextField(blank=True)
    note = models.CharField(max_length=300, blank=True)
    base = models.CharField(max_length=32, blank=True)
    author_id = models.UUIDField(null=True)
    author_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("-number", "id")
        constraints = (
            models.UniqueConstraint(fields=("prompt", "number"), name="prompt_version_once"),
            models.CheckConstraint(condition=Q(number__gt=0), name="prompt_version_number"),
        )

    @override
    def __str__(self) -> str:
        return f"version {self.number}"


class PromptExperiment(models.Model):
    """Two versions side by side: `share` per cent of the subjects get B.

    Attributes:
        arm_a: The version it is compared with; null for what stands below.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="experiments")
    arm_a = models.ForeignKey(PromptVersion, models.CASCADE, null=True, related_name="+")
    arm_b = models.ForeignKey(PromptVersion, models.CASCADE, related_name="+")
    share = models.PositiveSmallIntegerField(default=50)
    state = models.CharField(max_length=16, default=RUNNING)
    author_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("prompt",), condition=Q(state=RUNNING), name="prompt_experiment_one_runs"
            ),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=99), name="prompt_experiment_share"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[RUNNING, STOPPED]), name="prompt_experiment_state"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"experiment {self.id}"


class PromptOutcome(models.Model):
    """How one subject of an experiment fared; each counts once, however often it is asked.

    Attributes:
        subject: A keyed digest: equal for equal subjects, and no name of anybody.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    experiment = models.ForeignKey(PromptExperiment, models.CASCADE, related_name="outcomes")
    subject = models.CharField(max_length=SUBJECT_CHARACTERS)
    arm = models.CharField(max_length=1)
    passed = models.BooleanField(null=True)
    score = models.FloatField(null=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("experiment", "subject"), name="prompt_outcome_once"),
            models.CheckConstraint(
                condition=Q(arm__in=[ARM_A, ARM_B]), name="prompt_outcome_arm"
            ),
            models.CheckConstraint(
                condition=Q(passed__isnull=False) | Q(score__isnull=False),
                name="prompt_outcome_says_something",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.arm} of {self.experiment_id}"


class EvaluationSet(models.Model):
    """Cases that a prompt is tried with.

    Attributes:
        cases: `[{"name": …, "variables": {…}, "material": […], "assertions": […]}]`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", models.CASCADE, related_name="+", verbose_name="workspace"
    )
    prompt_name = models.CharField(max_length=100)
    name = models.CharField(max_length=80)
    cases = models.JSONField()
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("prompt_name", "name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "prompt_name", "name"), name="evaluation_set_once"
            ),
        )

    @override
    def __str__(self) -> str:
        return self.name


class EvaluationRun(models.Model):
    """One trial of one version with one model.

    Attributes:
        cases: A copy of the set's: changing the set changes no result.
        number: The version's number; 0 for the shipped one.
        attempt: Whoever claims the run raises it; an older claim writes nothing any more.
        results: One entry for each case that was tried.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    evaluation_set = models.ForeignKey(EvaluationSet, models.CASCADE, related_name="runs")
    version = models.ForeignKey(PromptVersion, models.CASCADE, null=True, related_name="+")
    number = models.PositiveIntegerField()
    model = models.CharField(max_length=200)
    cases = models.JSONField()
    state = models.CharField(max_length=16, default=QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=list)
    passed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    author_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=[QUEUED, RUNNING, DONE]), name="evaluation_run_state"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"run {self.id}"
