"""The addresses of the pages, by kind of host. `karen_site` mounts them."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.web.views import chat, keys, public, shares, usage, workspaces

_accounts: list[URLPattern | URLResolver] = [
    path("accounts/", include("allauth.urls")),
    path("workspaces/", workspaces.workspaces, name="workspaces"),
    path("workspaces/<uuid:tenant_id>/open/", workspaces.open_workspace, name="workspace_open"),
    path("signup/address/", public.suggest_address, name="signup_address"),
]

platform_urls: list[URLPattern | URLResolver] = [
    path("", public.landing, name="landing"),
    path("signup/", public.sign_up, name="signup"),
    # Signing up always comes with a workspace: allauth's own form is not offered.
    path("accounts/signup/", RedirectView.as_view(pattern_name="signup")),
    *_accounts,
]

workspace_urls: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="chat"), name="home"),
    path("chat/", chat.chat, name="chat"),
    path("chat/<uuid:conversation_id>/", chat.chat, name="chat_conversation"),
    path("settings/keys/", keys.keys, name="keys_page"),
    path("settings/keys/<uuid:key_id>/revoke/", keys.revoke, name="key_revoke"),
    path("usage/", usage.usage, name="usage_page"),
    path("usage/budgets/", usage.add_budget, name="budget_add"),
    path("usage/budgets/<uuid:budget_id>/", usage.change_budget, name="budget_change"),
    path("usage/budgets/<uuid:budget_id>/delete/", usage.delete_budget, name="budget_delete"),
    path("enter/<str:token>/", workspaces.enter, name="enter"),
    path("share/<str:token>/", shares.shared, name="shared"),
    path("accounts/signup/", RedirectView.as_view(pattern_name="account_login")),
    *_accounts,
]
