"""How the console changes rows: through the services, in the scope of whose row it is.

The forms check before, so that a mistake is shown beside its field.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from pydantic import BaseModel, ValidationError
from typing_extensions import override
from unfold.admin import ModelAdmin

from apps.core import scope
from apps.core.errors import InvalidInput, KarenError
from apps.core.scope import Actor
from apps.providers.models import GatewaySettings, Provider, RoutingPolicy
from apps.tenants import selectors as tenants

if TYPE_CHECKING:
    from django import forms


@contextmanager
def in_scope_of(row: Provider | RoutingPolicy | GatewaySettings) -> Iterator[Actor]:
    """Act on a row where it belongs: in its workspace, or on the platform."""
    ref = tenants.find_ref(row.tenant_id) if row.tenant_id else None
    with scope.tenant_scope(ref):
        yield scope.current_actor()


def refuse(form: "forms.BaseForm", error: KarenError) -> None:
    """Show what a service would refuse beside the field it is in."""
    fields = error.fields if isinstance(error, InvalidInput) else None
    for path, texts in (fields or {}).items():
        name, _dot, place = path.partition(".")
        told = [f"{place}: {text}" if place else text for text in texts]
        form.add_error(name if name in form.fields else None, told)
    if not fields:
        form.add_error(None, error.message())


def check_shape(form: "forms.BaseForm", kind: type[BaseModel], values: dict[str, Any]) -> None:
    """Show what does not have the shape that the service takes beside its field."""
    try:
        kind.model_validate(values)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            name = str(item["loc"][0])
            form.add_error(name if name in form.fields else None, item["msg"])


def _words_of(error: KarenError) -> str:
    fields = error.fields if isinstance(error, InvalidInput) else None
    told = [f"{name}: {' '.join(texts)}" for name, texts in (fields or {}).items()]
    return "; ".join(told) or error.message()


class ServiceAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Rows that services change; what a service refuses is said instead of raised."""

    @override
    def changeform_view(self, request: HttpRequest, *args: Any, **more: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().changeform_view(request, *args, **more)
        except KarenError as error:  # the transaction around it was rolled back
            messages.error(request, _words_of(error))
            return HttpResponseRedirect(request.path)
        return answer

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = self.fixed_fields if obj is not None else ()
        return (*self.readonly_fields, *fixed)

    fixed_fields: tuple[str, ...] = ("tenant",)

    @override
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def each(
        self, request: HttpRequest, chosen: QuerySet[Any], change: Callable[[Actor, Any], str]
    ) -> None:
        """Do something to each chosen row and say how it went."""
        for row in chosen:
            with in_scope_of(row) as actor:
                try:
                    text = change(actor, row)
                except KarenError as error:
                    messages.error(request, f"{row}: {_words_of(error)}")
                else:
                    messages.success(request, f"{row}: {text}")
