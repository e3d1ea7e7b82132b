"""The forms of the page of memories. They check shape; services decide."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.memory.contracts import (
    IMPORTANCE_DEFAULT,
    IMPORTANCE_MAX,
    IMPORTANCE_MIN,
    TEXT_MAX,
    ChangesetKind,
    MemoryChange,
    MemoryKind,
    MemoryQuery,
    MemoryStatus,
)
from apps.web.forms import ServiceForm

FORGET_EVERYTHING = "forget everything"
KINDS = [
    (MemoryKind.SEMANTIC.value, _("A fact or a preference")),
    (MemoryKind.EPISODIC.value, _("Something that happened")),
    (MemoryKind.PROCEDURAL.value, _("How to do something")),
]


class _DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self, **options: Any) -> None:
        super().__init__(format="%Y-%m-%d", **options)


def _importance() -> forms.IntegerField:
    return forms.IntegerField(
        label=_("Importance"),
        min_value=IMPORTANCE_MIN,
        max_value=IMPORTANCE_MAX,
        initial=IMPORTANCE_DEFAULT,
        help_text=_("From 1 to 10."),
    )


class MemoryForm(ServiceForm):
    """What a memory says, of what sort it is and how much it matters."""

    text = forms.CharField(
        label=_("What Karen should know"),
        max_length=TEXT_MAX,
        error_messages={"required": _("Say what to remember.")},
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": _("I take my coffee black.")}),
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=KINDS)
    importance = _importance()

    def kept(self) -> dict[str, Any]:
        """Return what is to be remembered."""
        return {**self.cleaned_data, "kind": MemoryKind(self.cleaned_data["kind"])}

    def change(self) -> MemoryChange:
        """Return what is to change."""
        return MemoryChange(**self.kept())


class AgainForm(MemoryForm):
    """The words of what was just forgotten, as its row held them."""

    pinned = forms.BooleanField(required=False)


class MergeForm(ServiceForm):
    """Which memory says the same, and whose words stay."""

    other = forms.UUIDField(error_messages={"required": _("Choose the memory to merge it with.")})
    keep = forms.ChoiceField(
        label=_("Which words stay?"), choices=[("this", ""), ("other", "")], initial="this"
    )


class ChangesFilterForm(forms.Form):
    """Which changes are shown: those that tidied up, or what was learnt."""

    kind = forms.ChoiceField(choices=[("tidied", ""), ("learnt", "")], required=False)
    before = forms.UUIDField(required=False)

    def kind_shown(self) -> str:
        """Return which; a nonsensical one is the usual one."""
        return (self.is_valid() and self.cleaned_data["kind"]) or "tidied"

    def kinds(self) -> tuple[ChangesetKind, ...]:
        """Return what is asked for."""
        return _CHANGES[self.kind_shown()]

    def last_seen(self) -> UUID | None:
        """Return the last change of the page before."""
        found: UUID | None = self.cleaned_data["before"] if self.is_valid() else None
        return found


_CHANGES = {
    "tidied": (ChangesetKind.CONSOLIDATION, ChangesetKind.LIFE, ChangesetKind.MERGE),
    "learnt": (ChangesetKind.EXTRACTION, ChangesetKind.IMPORT),
}


class MarkForm(forms.Form):
    """Pin, unpin or archive."""

    pinned = forms.NullBooleanField(required=False)
    status = forms.ChoiceField(
        required=False,
        choices=[(MemoryStatus.ARCHIVED.value, "")],
    )

    def change(self) -> MemoryChange:
        """Return what is to change."""
        status = self.cleaned_data["status"]
        return MemoryChange(
            pinned=self.cleaned_data["pinned"],
            status=MemoryStatus(status) if status else None,
        )


class MemoryFilterForm(forms.Form):
    """What is shown of the memories."""

    q = forms.CharField(
        label=_("Search"),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Search your memories")}),
    )
    kind = forms.ChoiceField(
        label=_("Kind"), required=False, choices=[("", _("Every kind")), *KINDS]
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("In use")),
            ("all", _("Everything, replaced ones too")),
            ("pinned", _("Pinned")),
            ("archived", _("Archived")),
        ],
    )
    as_of = forms.DateField(
        label=_("What did you know on"),
        required=False,
        widget=_DayInput(),
        error_messages={"invalid": _("Give a day as 2027-03-31.")},
    )
    entity = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)

    def query(self) -> MemoryQuery:
        """Return what is asked for; what does not fit is left out."""
        asked = self.cleaned_data if self.is_valid() else {}
        state, kind, day = asked.get("state", ""), asked.get("kind", ""), asked.get("as_of")
        moment = end_of_day(day) if day else None
        return MemoryQuery(
            text=asked.get("q", ""),
            entity=asked.get("entity", ""),
            kinds=frozenset([MemoryKind(kind)] if kind else []),
            statuses=_STATES.get(state, _IN_USE) if moment is None else frozenset(),
            pinned=True if state == "pinned" else None,
            superseded=state == "all",
            as_of=moment,
        )


_IN_USE = frozenset({MemoryStatus.ACTIVE, MemoryStatus.CONSOLIDATING})
_STATES = {
    "all": frozenset[MemoryStatus](),
    "archived": frozenset({MemoryStatus.ARCHIVED, MemoryStatus.EXPIRED}),
}


def end_of_day(day: date) -> datetime:
    """Return the last moment of a day by UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, microseconds=-1)


class ForgetTopicForm(ServiceForm):
    """What all is to be forgotten about."""

    topic = forms.CharField(
        label=_("Topic or name"),
        max_length=200,
        error_messages={"required": _("Say what Karen should forget about.")},
        widget=forms.TextInput(attrs={"placeholder": _("the move to Berlin")}),
    )


class ForgetEverythingForm(ServiceForm):
    """The words that nobody types by accident."""

    confirm = forms.CharField(
        label=_("Type “forget everything”"),
        max_length=60,
        error_messages={"required": _("Type the words to go on.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )

    def clean_confirm(self) -> str:
        """Return the words.

        Raises:
            ValidationError: They are others.
        """
        words = " ".join(str(self.cleaned_data["confirm"]).lower().split())
        if words != FORGET_EVERYTHING:
            raise forms.ValidationError(_("These are not the words: nothing was forgotten."))
        return words
