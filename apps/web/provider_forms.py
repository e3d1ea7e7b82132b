"""The forms of providers, models and the gateway. They check shape; services decide."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from apps.core.errors import InvalidInput, KarenError
from apps.web.forms import ServiceForm

_UNKNOWN = ""
_ANSWERS = [(_UNKNOWN, _("What is known of it")), ("yes", _("Yes")), ("no", _("No"))]


def _limit(label: object) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, max_value=1_000_000_000, required=False)  # type: ignore[arg-type]  # lazy text


def _price(label: object) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,  # type: ignore[arg-type]  # lazy text
        min_value=0,
        max_digits=12,
        decimal_places=6,
        required=False,
    )


def _fact(label: object) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=label,  # type: ignore[arg-type]  # lazy text
        choices=_ANSWERS,
        coerce=lambda text: text == "yes",
        empty_value=None,
        required=False,
    )


def answer_of(fact: bool | None) -> str:
    """Return how a fact that may be unknown is chosen in a form."""
    return _UNKNOWN if fact is None else ("yes" if fact else "no")


def key_widget(hint: str) -> forms.PasswordInput:
    """Return an input that never shows what it was given, not even after a mistake."""
    return forms.PasswordInput(
        attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": hint}
    )


class NewProviderForm(ServiceForm):
    """A provider that is set up from a preset or by its address."""

    preset = forms.CharField(widget=forms.HiddenInput, required=False, max_length=40)
    label = forms.CharField(label=_("Name"), max_length=80)
    slug = forms.CharField(
        label=_("Short name"),
        max_length=40,
        help_text=_("Its models are asked for by it, such as groq/llama-3.3-70b."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    base_url = forms.CharField(
        label=_("Address"),
        max_length=400,
        widget=forms.URLInput(attrs={"placeholder": "https://api.example.com/v1"}),
    )
    key = forms.CharField(
        label=_("Key"),
        max_length=4000,
        error_messages={"required": _("This provider answers nobody without a key.")},
    )
    models = forms.MultipleChoiceField(
        label=_("Models to begin with"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self,
        *args: Any,
        names: Iterable[str],
        hint: str,
        needs_key: bool,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.fields["key"].widget = key_widget(hint)
        self.fields["key"].required = needs_key
        models = self.fields["models"]
        assert isinstance(models, forms.MultipleChoiceField)
        models.choices = [(name, name) for name in names]


class ProviderForm(ServiceForm):
    """What may be changed about a provider."""

    label = forms.CharField(label=_("Name"), max_length=80)
    base_url = forms.CharField(
        label=_("Address"),
        max_length=400,
        required=False,
        help_text=_("Another server forgets the key: it was given for this one."),
    )
    requests_per_minute = _limit(_("Requests a minute"))
    tokens_per_minute = _limit(_("Tokens a minute"))
    concurrent_calls = _limit(_("Calls at once"))
    is_trusted = forms.BooleanField(label=_("Sensitive content may be sent there"), required=False)
    simulate_failure = forms.BooleanField(
        label=_("Simulate a failure: every call fails, to try the fallbacks"), required=False
    )


class KeyForm(ServiceForm):
    """A key on its way in."""

    key = forms.CharField(
        label=_("New key"),
        max_length=4000,
        error_messages={"required": _("Paste the key.")},
    )

    def __init__(self, *args: Any, hint: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["key"].widget = key_widget(hint)


class NewModelForm(ServiceForm):
    """A model by its name."""

    name = forms.CharField(
        label=_("Name at the provider"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )


class ModelForm(ServiceForm):
    """What may be written about a model."""

    label = forms.CharField(label=_("Label"), max_length=120, required=False)
    context_tokens = _limit(_("Context, in tokens"))
    supports_tools = _fact(_("Tools"))
    supports_vision = _fact(_("Images"))
    supports_formats = _fact(_("Formats (JSON)"))
    supports_reasoning = _fact(_("Reasoning"))
    input_price = _price(_("Read"))
    cached_price = _price(_("Read from its cache"))
    output_price = _price(_("Written"))
    price_key = forms.CharField(
        label=_("Name in the price list"),
        max_length=160,
        required=False,
        help_text=_("Where the list calls it otherwise."),
    )
    is_embedder = forms.BooleanField(label=_("Turns texts into vectors"), required=False)
    is_enabled = forms.BooleanField(label=_("Offered"), required=False)


class GatewayForm(ServiceForm):
    """The gateway's settings of a workspace."""

    default_model = forms.ChoiceField(label=_("Default model"), required=False)
    cache_ttl_s = forms.IntegerField(
        label=_("Keep answers for, in seconds"),
        min_value=0,
        max_value=3600,
        help_text=_("Equal questions get the kept answer; 0 is off."),
    )
    requests_per_minute = _limit(_("Requests a minute"))
    tokens_per_minute = _limit(_("Tokens a minute"))
    concurrent_calls = _limit(_("Calls at once"))
    user_requests_per_minute = _limit(_("Requests a minute of each member"))
    user_concurrent_calls = _limit(_("Calls at once of each member"))

    def __init__(self, *args: Any, models: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        default = self.fields["default_model"]
        assert isinstance(default, forms.ChoiceField)
        default.choices = [("", _("The best there is")), *models.items()]


class PolicyForm(ServiceForm):
    """A routing policy, its three parts as JSON."""

    PARTS = ("conditions", "routes", "fallbacks")

    name = forms.CharField(label=_("Name"), max_length=80)
    position = forms.IntegerField(
        label=_("Position"), min_value=0, max_value=32_767, help_text=_("Lower is asked first.")
    )
    is_enabled = forms.BooleanField(label=_("In force"), required=False)
    conditions = forms.CharField(label=_("When"), required=False)
    routes = forms.CharField(label=_("Where to"), required=False)
    fallbacks = forms.CharField(label=_("Otherwise"), required=False)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name in self.PARTS:
            self.fields[name].widget = forms.Textarea(
                attrs={"rows": 6, "spellcheck": "false", "class": "code"}
            )

    @override
    def refuse(self, error: KarenError) -> None:
        """Show what does not fit below the part that it is in, with its place."""
        fields = error.fields if isinstance(error, InvalidInput) else None
        for path, texts in (fields or {}).items():
            part, _dot, place = path.partition(".")
            told = [f"{place}: {text}" if place else text for text in texts]
            self.add_error(part if part in self.fields else None, told)
        if not self.errors:
            self.add_error(None, error.message())
