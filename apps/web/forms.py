"""The forms of the public pages. They check shape; services decide."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from apps.accounts.permissions import CHAT_USER, PERMISSIONS
from apps.core.errors import InvalidInput, KarenError
from apps.core.scope import Actor
from apps.tenants.errors import SlugInvalid, SlugTaken


class ServiceForm(forms.Form):
    """A form that can say what a service did not accept."""

    def refuse(self, error: KarenError) -> None:
        """Show a service's refusal next to the fields it is about, or above the form."""
        fields = error.fields if isinstance(error, InvalidInput) else None
        for name, texts in (fields or {}).items():
            self.add_error(name if name in self.fields else None, texts)
        if not fields:
            self.add_error(None, error.message())


class WorkspaceForm(ServiceForm):
    """A new workspace: what it is called and where it is."""

    organisation = forms.CharField(
        label=_("Organisation"),
        max_length=120,
        error_messages={"required": _("Say what your organisation is called.")},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "organization",
                "placeholder": _("Your team, company, school or club"),
                # The address below follows the name as one types; the server knows what is free.
                "hx-get": reverse_lazy("signup_address"),
                # Also once at the start: somebody may have typed before the script was there.
                "hx-trigger": "input changed delay:300ms, load",
                "hx-target": "#address",
                "hx-swap": "outerHTML",
                "hx-sync": "this:replace",
            }
        ),
    )
    slug = forms.CharField(label=_("Address"), max_length=40, required=False)

    def clean_slug(self) -> str | None:
        """Return the wanted slug in lower case; None leaves the choice to the service."""
        return str(self.cleaned_data["slug"]).strip().lower() or None

    @override
    def refuse(self, error: KarenError) -> None:
        """Show a service's refusal next to the field it is about."""
        if isinstance(error, SlugInvalid | SlugTaken):
            self.add_error("slug", error.message())
        else:
            super().refuse(error)


class SignUpForm(WorkspaceForm):
    """A new person with a new workspace."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        error_messages={"required": _("Say how Karen may call you.")},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        error_messages={
            "required": _("Give an e-mail address: you log in with it."),
            "invalid": _("This does not look like an e-mail address."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=128,
        help_text=_("At least 10 characters. A few unrelated words work well."),
        error_messages={"required": _("Choose a password.")},
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class ApiKeyForm(ServiceForm):
    """A new API key: its name, what it may do, how long."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("Where it will be used, so that you know it again."),
        error_messages={"required": _("Give the key a name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        widget=forms.CheckboxSelectMultiple,
        initial=[CHAT_USER],
        error_messages={"required": _("Choose at least one permission.")},
    )
    expires_in_days = forms.TypedChoiceField(
        label=_("Expires"),
        coerce=int,
        empty_value=None,
        required=False,
        choices=[
            ("", _("Never")),
            ("30", _("In 30 days")),
            ("90", _("In 90 days")),
            ("365", _("In a year")),
        ],
        initial="90",
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = [(code, text) for code, text in PERMISSIONS.items() if actor.may(code)]


class PromptForm(ServiceForm):
    """Another wording of a prompt; what it does not show stays as it is."""

    def __init__(self, *args: Any, wording: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wording = wording
        for place, message in enumerate(wording.get("messages", []), 1):
            self.fields[f"message_{place}"] = forms.CharField(
                label=_("Text of the %(role)s") % {"role": message["role"]},
                initial=message["text"],
                strip=False,
                widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
            )
        self.fields["note"] = forms.CharField(
            label=_("Why"),
            max_length=300,
            required=False,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
        )

    def draft(self) -> dict[str, Any]:
        """Return the wording with the texts that were written."""
        told = [
            # Browsers send lines as HTTP's forms want them.
            {**message, "text": self.cleaned_data[f"message_{place}"].replace("\r\n", "\n")}
            for place, message in enumerate(self._wording.get("messages", []), 1)
        ]
        return {**self._wording, "messages": told}
