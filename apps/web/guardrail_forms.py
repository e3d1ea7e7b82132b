"""The forms of the page of guardrails. They check shape; services decide."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from apps.providers.services import (
    GuardrailSettings,
    InjectionAction,
    Level,
    Origin,
    PiiAction,
    RuleAction,
    RuleKind,
    Stage,
)
from apps.web.forms import ServiceForm

_AS_IF = {
    "user": (Stage.INPUT, Origin.USER),
    "content": (Stage.INPUT, Origin.CONTENT),
    "answer": (Stage.OUTPUT, Origin.USER),
}


class GuardrailsForm(ServiceForm):
    """What the workspace chooses, its own rules apart."""

    level = forms.TypedChoiceField(
        label=_("How strictly texts are looked at"),
        coerce=Level,
        choices=[
            (Level.LOOSE.value, _("Loosely: only what is certain")),
            (Level.MEDIUM.value, _("Medium: also names of people, likely attempts")),
            (Level.STRICT.value, _("Strictly: also places, organisations, mere suspicion")),
        ],
    )
    pii = forms.TypedChoiceField(
        label=_("Personal data on its way to a model"),
        coerce=PiiAction,
        choices=[
            (PiiAction.OFF.value, _("Send it as it is")),
            (PiiAction.FLAG.value, _("Send it, and note it")),
            (PiiAction.REDACT.value, _("Replace it; people see it again in the answer")),
            (PiiAction.LOCAL_ONLY.value, _("Ask local models only")),
            (PiiAction.REFUSE.value, _("Do not send the message")),
        ],
    )
    injection = forms.TypedChoiceField(
        label=_("Attempts to take over the assistant: at most"),
        coerce=InjectionAction,
        choices=[
            (InjectionAction.OFF.value, _("Do not look")),
            (InjectionAction.REPORT.value, _("Note them")),
            (InjectionAction.FLAG.value, _("Note them and warn the model")),
            (InjectionAction.REFUSE.value, _("Do not send the message")),
        ],
    )
    secrets_in_answers = forms.BooleanField(
        label=_("Take keys and passwords out of answers"), required=False
    )
    repair_structure = forms.BooleanField(
        label=_("Check and repair answers that are to be JSON"), required=False
    )
    answer_notes = forms.BooleanField(
        label=_("Note refusals, uncertainty and sources of answers"), required=False
    )
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, data: QueryDict | None = None, *, chosen: GuardrailSettings) -> None:
        super().__init__(data, initial={name: getattr(chosen, name) for name in self.base_fields})


class ContentRuleForm(ServiceForm):
    """One of the workspace's own rules."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("People are told it when the rule stops them."),
        error_messages={"required": _("Give the rule a name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    kind = forms.TypedChoiceField(
        label=_("What it looks for"),
        coerce=RuleKind,
        choices=[
            (RuleKind.WORD.value, _("A word")),
            (RuleKind.PHRASE.value, _("A phrase")),
            (RuleKind.REGEX.value, _("A regular expression (RE2)")),
        ],
    )
    pattern = forms.CharField(
        label=_("Text"),
        max_length=200,
        strip=False,
        error_messages={"required": _("Say what the rule looks for.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    action = forms.TypedChoiceField(
        label=_("What happens"),
        coerce=RuleAction,
        choices=[
            (RuleAction.FLAG.value, _("It is noted")),
            (RuleAction.REDACT.value, _("It is taken out")),
            (RuleAction.REFUSE.value, _("The message is not sent, the answer is stopped")),
        ],
    )
    stage = forms.TypedChoiceField(
        label=_("Where"),
        coerce=Stage,
        choices=[
            (Stage.BOTH.value, _("In messages and answers")),
            (Stage.INPUT.value, _("In messages")),
            (Stage.OUTPUT.value, _("In answers")),
        ],
    )


class TryForm(ServiceForm):
    """A text to try."""

    text = forms.CharField(
        label=_("Text"),
        max_length=20_000,
        strip=False,
        error_messages={"required": _("Write something to try.")},
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    as_if = forms.ChoiceField(
        label=_("As if"),
        required=False,
        choices=[
            ("user", _("a person wrote it")),
            ("content", _("a file, a page or a tool held it")),
            ("answer", _("a model answered it")),
        ],
    )

    def wanted(self) -> dict[str, Any]:
        """Return what the service takes; only after `is_valid`."""
        stage, origin = _AS_IF[self.cleaned_data["as_if"] or "user"]
        return {"text": self.cleaned_data["text"], "stage": stage, "origin": origin}
