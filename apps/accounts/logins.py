"""Who came in, who left and who failed to, for the audit record.

Django and allauth end every way in with these signals: the password form, entry tickets, the
operators' admin, a confirmed address, a password reset.
"""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from apps.accounts.models.users import User
from apps.audit import services as audit
from apps.core import scope
from apps.core.scope import Actor


def listen() -> None:
    """Connect the receivers; called once when the app is ready."""
    user_logged_in.connect(_logged_in, dispatch_uid="accounts.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="accounts.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="accounts.login_failed")


def _logged_in(*, user: User, **_kwargs: Any) -> None:
    _record("account.logged_in", user)


def _logged_out(*, user: User | None, **_kwargs: Any) -> None:
    if user is not None:
        _record("account.logged_out", user)


def _login_failed(*, credentials: dict[str, Any], **_kwargs: Any) -> None:
    # The address as typed: whether it has an account is not looked up.
    tried = str(credentials.get("email") or credentials.get("username") or "")
    audit.record_best_effort(
        action="account.login_failed", target_type="user", target_id="", target_label=tried
    )


def _record(action: str, user: User) -> None:
    with scope.actor_scope(Actor(id=user.pk, label=user.label)):
        audit.record_best_effort(
            action=action, target_type="user", target_id=user.pk, target_label=user.email
        )
