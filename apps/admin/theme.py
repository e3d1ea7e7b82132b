"""How the console looks and what its sidebar offers; settings take `UNFOLD` from here.

Callbacks are dotted names and links are lazy, so that settings may import this module before any
app is loaded.
"""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _

_static = lazy(static, str)


def _item(title: Promise, icon: str, view: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{view}")}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("Karen operations"),
    "SITE_HEADER": "Karen",
    "SITE_SUBHEADER": _("Operations"),
    "SITE_SYMBOL": "hub",
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "apps.admin.dashboard.add_figures",
    # The theme would print its colours into an inline style, which our policy forbids.
    "STYLES": [lambda _request: _static("console/theme.css")],
    "SCRIPTS": [lambda _request: _static("console/console.js")],
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Platform"),
                "items": [
                    _item(_("Overview"), "dashboard", "index"),
                    _item(_("Workspaces"), "domain", "tenants_tenant_changelist"),
                    _item(_("Domains"), "dns", "tenants_domain_changelist"),
                ],
            },
            {
                "title": _("People"),
                "items": [
                    _item(_("Users"), "person", "accounts_user_changelist"),
                    _item(_("Memberships"), "group", "accounts_membership_changelist"),
                    _item(_("Roles"), "badge", "accounts_role_changelist"),
                ],
            },
            {
                "title": _("Models"),
                "items": [
                    _item(_("Providers"), "cloud", "providers_provider_changelist"),
                    _item(_("Routing"), "alt_route", "providers_routingpolicy_changelist"),
                    _item(_("Gateway"), "tune", "providers_gatewaysettings_changelist"),
                    _item(_("Calls"), "receipt_long", "providers_call_changelist"),
                    _item(_("Budgets"), "savings", "providers_budget_changelist"),
                ],
            },
            {
                "title": _("Memory"),
                "items": [_item(_("Memory by workspace"), "neurology", "memory")],
            },
            {
                "title": _("Background work"),
                "items": [
                    _item(_("Dead letters"), "mail_off", "jobs_deadletter_changelist"),
                    _item(_("Outbox"), "outbox", "jobs_outboxentry_changelist"),
                ],
            },
            {
                "title": _("Record"),
                "items": [_item(_("Audit"), "history", "audit_auditentry_changelist")],
            },
        ],
    },
}
