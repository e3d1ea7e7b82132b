"""Wire shapes of the REST edge; they mirror the views and carry no rules."""

from rest_framework import serializers


class PromptSerializer(serializers.Serializer[object]):
    """A prompt as it stands in this workspace."""

    name = serializers.CharField()
    description = serializers.CharField()
    origin = serializers.ChoiceField(
        choices=["shipped", "platform", "workspace"],
        allow_blank=True,
        help_text="Who wrote what holds; empty where nothing does.",
    )
    version = serializers.IntegerField(help_text="Of the wording that holds; 0 for the shipped.")
    own_version = serializers.IntegerField(help_text="This workspace's in force; 0 for none.")
    versions_made = serializers.IntegerField()
    fragment = serializers.BooleanField(help_text="It is one text that goes into other prompts.")
    shipped = serializers.BooleanField()
    outdated = serializers.BooleanField(
        help_text="The shipped wording has changed since the version in force was written."
    )
    experiment_id = serializers.UUIDField(allow_null=True)
    wording = serializers.DictField()


class PromptVersionSerializer(serializers.Serializer[object]):
    """One version; 0 is what stands below: the platform's, or the shipped one."""

    number = serializers.IntegerField()
    wording = serializers.DictField()
    note = serializers.CharField()
    author = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)
    active = serializers.BooleanField()
    outdated = serializers.BooleanField()
    usable = serializers.BooleanField()


class PromptMessageSerializer(serializers.Serializer[object]):
    """One message of a prompt."""

    role = serializers.CharField()
    text = serializers.CharField(trim_whitespace=False, allow_blank=True)


class NewPromptVersionSerializer(serializers.Serializer[object]):
    """A wording; the service checks it and says which part does not fit."""

    messages = PromptMessageSerializer(many=True)
    variables = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="Only for prompts of your own: `name`, `kind`, `required`, `max_length`, `cut`, "
        "`private`.",
    )
    role = serializers.CharField(required=False, allow_blank=True)
    think_first = serializers.BooleanField(required=False)
    examples = serializers.ListField(child=serializers.DictField(), required=False)
    examples_k = serializers.IntegerField(required=False)
    output_schema = serializers.CharField(
        required=False, allow_blank=True, help_text="JSON text of a schema."
    )
    note = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)


class ActivationSerializer(serializers.Serializer[object]):
    """Which version holds from now on."""

    version = serializers.IntegerField(min_value=0, help_text="0 gives way to what stands below.")


class DiffSerializer(serializers.Serializer[object]):
    """How two versions differ."""

    lines = serializers.ListField(child=serializers.CharField())


class ContextPieceSerializer(serializers.Serializer[object]):
    """Material for a prompt."""

    title = serializers.CharField(max_length=200)
    text = serializers.CharField(trim_whitespace=False)


class PreviewRequestSerializer(serializers.Serializer[object]):
    """What to render."""

    version = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    variables = serializers.DictField(required=False)
    material = ContextPieceSerializer(many=True, required=False)
    model = serializers.CharField(required=False, allow_null=True, max_length=200)


class PreviewSerializer(serializers.Serializer[object]):
    """A rendered prompt with its size."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    messages = PromptMessageSerializer(many=True)
    model = serializers.CharField()
    tokens = serializers.IntegerField()
    exact = serializers.BooleanField(help_text="Counted by the model's own tokenizer.")
    context_tokens = serializers.IntegerField()
    fits = serializers.BooleanField()


class NewEvaluationSetSerializer(serializers.Serializer[object]):
    """The cases of a set; see docs/prompts.md."""

    name = serializers.CharField()
    cases = serializers.ListField(child=serializers.DictField())


class EvaluationSetSerializer(serializers.Serializer[object]):
    """A set of cases."""

    id = serializers.UUIDField()
    prompt = serializers.CharField()
    name = serializers.CharField()
    cases = serializers.ListField(child=serializers.DictField())
    updated_at = serializers.DateTimeField()


class NewEvaluationRunSerializer(serializers.Serializer[object]):
    """What to try."""

    version = serializers.IntegerField(min_value=0)
    model = serializers.CharField(required=False, allow_null=True, max_length=200)


class EvaluationRunSerializer(serializers.Serializer[object]):
    """A trial; `results` grow while it runs."""

    id = serializers.UUIDField()
    set_id = serializers.UUIDField()
    prompt = serializers.CharField()
    version = serializers.IntegerField()
    model = serializers.CharField()
    state = serializers.ChoiceField(choices=["queued", "running", "done"])
    cases = serializers.IntegerField()
    passed = serializers.IntegerField()
    failed = serializers.IntegerField()
    results = serializers.ListField(child=serializers.DictField())
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ComparisonSerializer(serializers.Serializer[object]):
    """Two arms compared."""

    rate_a = serializers.FloatField(allow_null=True)
    rate_b = serializers.FloatField(allow_null=True)
    p_value = serializers.FloatField()
    test = serializers.CharField(allow_blank=True)
    verdict = serializers.ChoiceField(choices=["too_few", "better", "worse", "no_difference"])


class NewExperimentSerializer(serializers.Serializer[object]):
    """Which version to compare with the one that holds."""

    version = serializers.IntegerField(min_value=1)
    share = serializers.IntegerField(
        required=False, default=50, help_text="Per cent of the subjects that get it."
    )


class ExperimentSerializer(serializers.Serializer[object]):
    """An experiment with what it shows so far."""

    id = serializers.UUIDField()
    prompt = serializers.CharField()
    version_a = serializers.IntegerField()
    version_b = serializers.IntegerField()
    share = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["running", "stopped"])
    n_a = serializers.IntegerField()
    n_b = serializers.IntegerField()
    passed_a = serializers.IntegerField()
    passed_b = serializers.IntegerField()
    scored_a = serializers.IntegerField()
    scored_b = serializers.IntegerField()
    passes = ComparisonSerializer()
    scores = ComparisonSerializer(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class StopExperimentSerializer(serializers.Serializer[object]):
    """Which version holds from now on."""

    keep = serializers.ChoiceField(choices=["a", "b"])


class OutcomeSerializer(serializers.Serializer[object]):
    """How a subject fared; the arm follows from the subject."""

    subject = serializers.CharField(max_length=200)
    passed = serializers.BooleanField(required=False, allow_null=True, default=None)
    score = serializers.FloatField(required=False, allow_null=True, default=None)


class CountedSerializer(serializers.Serializer[object]):
    """Whether it was counted: each subject is once, and only while the experiment runs."""

    counted = serializers.BooleanField()
