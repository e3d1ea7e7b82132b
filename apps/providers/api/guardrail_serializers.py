"""Wire shapes of guardrails."""

from enum import StrEnum

from rest_framework import serializers

from apps.providers.domain.guarding import (
    RULES_MAX,
    TEXT_MAX,
    ContentRule,
    GuardrailSettings,
    InjectionAction,
    Level,
    Origin,
    PiiAction,
    RuleAction,
    RuleKind,
    Stage,
)

CHECK_MAX = 20_000  # characters of a text that is tried


def _choice(
    values: type[StrEnum], *, default: StrEnum | None = None, help_text: str = ""
) -> serializers.ChoiceField:
    words = [each.value for each in values]
    if default is None:
        return serializers.ChoiceField(choices=words, help_text=help_text)
    return serializers.ChoiceField(choices=words, default=default.value, help_text=help_text)


class ContentRuleSerializer(serializers.Serializer[object]):
    """One of the workspace's own rules."""

    name = serializers.CharField(max_length=60)
    kind = _choice(RuleKind, help_text="How `pattern` is read; `regex` is RE2's syntax.")
    pattern = serializers.CharField(max_length=TEXT_MAX, trim_whitespace=False)
    action = _choice(RuleAction)
    stage = _choice(Stage, default=Stage.BOTH, help_text="Before the model, behind it, or both.")
    enabled = serializers.BooleanField(default=True)


class GuardrailsSerializer(serializers.Serializer[object]):
    """What the workspace has chosen."""

    level = _choice(Level, default=Level.MEDIUM, help_text="How strictly texts are looked at.")
    pii = _choice(
        PiiAction,
        default=PiiAction.OFF,
        help_text="What happens to personal data on its way to a model.",
    )
    injection = _choice(
        InjectionAction,
        default=InjectionAction.OFF,
        help_text="The most that is done about attempts to take over the assistant.",
    )
    secrets_in_answers = serializers.BooleanField(
        default=False, help_text="Take keys and passwords out of answers."
    )
    repair_structure = serializers.BooleanField(
        default=False, help_text="Check and repair answers that are to be JSON."
    )
    answer_notes = serializers.BooleanField(
        default=False, help_text="Note refusals, uncertainty and sources."
    )
    rules = ContentRuleSerializer(many=True, default=list)
    version = serializers.IntegerField(
        min_value=0,
        default=0,
        help_text="The version a change is based on; 0 to change whichever is there.",
    )

    def validate_rules(self, rules: list[dict[str, object]]) -> list[dict[str, object]]:
        """Refuse a list that is too long before each rule is looked at."""
        if len(rules) > RULES_MAX:
            raise serializers.ValidationError(f"At most {RULES_MAX} rules.")
        return rules

    def chosen(self) -> GuardrailSettings:
        """Return the body as the service takes it; only after `is_valid`."""
        data = dict(self.validated_data)
        rules = tuple(
            ContentRule(
                name=rule["name"],
                kind=RuleKind(rule["kind"]),
                pattern=rule["pattern"],
                action=RuleAction(rule["action"]),
                stage=Stage(rule["stage"]),
                enabled=rule["enabled"],
            )
            for rule in data.pop("rules")
        )
        return GuardrailSettings(
            level=Level(data.pop("level")),
            pii=PiiAction(data.pop("pii")),
            injection=InjectionAction(data.pop("injection")),
            rules=rules,
            **data,
        )


class GuardrailCheckSerializer(serializers.Serializer[object]):
    """A text to try."""

    text = serializers.CharField(max_length=CHECK_MAX, trim_whitespace=False)
    stage = serializers.ChoiceField(
        choices=[Stage.INPUT.value, Stage.OUTPUT.value],
        default=Stage.INPUT.value,
        help_text="As if it went to a model, or came from one.",
    )
    origin = _choice(
        Origin,
        default=Origin.USER,
        help_text="Written by the person, or `content` of a file, page or tool.",
    )


class DecisionSerializer(serializers.Serializer[object]):
    """Something that would be decided."""

    rule = serializers.CharField()
    stage = serializers.CharField()
    action = serializers.CharField(source="outcome")
    explanation = serializers.CharField()
    score = serializers.FloatField()
    count = serializers.IntegerField()


class GuardrailExplanationSerializer(serializers.Serializer[object]):
    """What would happen to a text."""

    allowed = serializers.BooleanField()
    text = serializers.CharField(help_text="What the model, or the person, would see.")
    sensitive = serializers.BooleanField()
    local_only = serializers.BooleanField(help_text="Only local models would be asked.")
    decisions = DecisionSerializer(many=True)
    names_missed = serializers.CharField(help_text="Why names are not found; empty when they are.")


class GuardrailDecisionSerializer(serializers.Serializer[object]):
    """Something that was decided, without what it was decided about."""

    id = serializers.UUIDField()
    turn_id = serializers.UUIDField(allow_null=True)
    flow = serializers.CharField()
    stage = serializers.CharField()
    rule = serializers.CharField()
    action = serializers.CharField()
    explanation = serializers.CharField()
    excerpt_hash = serializers.CharField(help_text="Equal hashes are equal characters.")
    score = serializers.FloatField()
    count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
