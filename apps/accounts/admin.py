"""The operators' view of people. Memberships and sessions change through services."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.db.models import QuerySet
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts import services
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.memberships import Membership
from apps.accounts.models.roles import Role
from apps.accounts.models.sessions import Session
from apps.accounts.models.users import User
from apps.accounts.permissions import ALL


class NewUserForm(UserCreationForm, BaseUserCreationForm):  # type: ignore[misc,type-arg]  # untyped library
    """A user with an address instead of a user name."""

    class Meta:
        model = User
        fields = ("email", "name")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # untyped library
    """People, found by address or name."""

    form = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "is_active", "is_staff", "last_login", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("id", "last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "password")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "password1", "password2")}),)
    filter_horizontal = ("groups",)
    actions = ("end_sessions",)

    @admin.action(description="End all sessions")
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Log the chosen people out everywhere."""
        ended = sum(services.end_sessions(user_id=user_id) for user_id in _ids(queryset))
        self.message_user(request, f"{ended} sessions ended.")


def _ids(queryset: QuerySet[User]) -> list[UUID]:
    return list(queryset.values_list("pk", flat=True))


class _ReadOnly(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Rows that only services make and change."""

    @override
    def has_add_permission(self, request: HttpRequest, *_args: Any) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(_ReadOnly):
    """Who belongs to which workspace."""

    list_display = ("user", "tenant", "role", "is_active", "created_at")
    list_filter = ("is_active", "role")
    list_select_related = ("user", "tenant", "role")
    search_fields = ("user__email", "user__name", "tenant__slug", "tenant__name")

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a workspace keeps an owner: the service looks after that


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A workspace's own role."""

    class Meta:
        model = Role
        fields = ("tenant", "code", "name", "parent", "permissions")

    def clean_permissions(self) -> list[str]:
        """Return the codes, all of them known."""
        codes: list[str] = self.cleaned_data["permissions"] or []
        unknown = sorted(set(codes) - ALL)
        if unknown:
            raise forms.ValidationError(f"Unknown: {', '.join(unknown)}.")
        return sorted(set(codes))

    @override
    def clean(self) -> dict[str, Any]:
        """Keep built-in roles out; the model checks the line of parents."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("tenant") is None:
            self.add_error("tenant", "Built-in roles come with Karen; choose a workspace.")
        return data


@admin.register(Role)
class RoleAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Built-in roles, to read; workspaces' own roles, to edit."""

    form = RoleForm
    list_display = ("name", "code", "tenant", "parent")
    list_filter = (("tenant", admin.EmptyFieldListFilter),)
    list_select_related = ("tenant", "parent")
    search_fields = ("code", "name", "tenant__slug")

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_own(obj) and bool(super().has_change_permission(request, obj))

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_own(obj) and bool(super().has_delete_permission(request, obj))


def _is_own(role: Role | None) -> bool:
    return role is None or role.tenant_id is not None


@admin.register(Session)
class SessionAdmin(_ReadOnly):
    """Sessions, without what they hold; deleting one logs the browser out."""

    list_display = ("__str__", "user", "tenant", "expire_date")
    list_select_related = ("user", "tenant")
    list_filter = ("expire_date",)
    search_fields = ("user__email", "tenant__slug")
    fields = ("user", "tenant", "expire_date")
    readonly_fields = fields


@admin.register(ApiKey)
class ApiKeyAdmin(_ReadOnly):
    """API keys, without their secrets; deleting one makes it useless."""

    list_display = ("name", "prefix", "user", "tenant", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("user", "tenant")
    list_filter = ("revoked_at", "expires_at")
    search_fields = ("name", "prefix", "user__email", "tenant__slug")
    exclude = ("digest", "membership")
