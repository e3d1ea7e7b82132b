"""The addresses of the pages, by kind of host. `karen_site` mounts them."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.web.views import chat, guardrails, keys, prompts, public, shares, workspaces

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
    path("settings/guardrails/", guardrails.guardrails, name="guardrails_page"),
    path("settings/guardrails/rules/", guardrails.add_rule, name="guardrail_rule_add"),
    path("settings/guardrails/rules/remove/", guardrails.remove_rule, name="guardrail_rule_remove"),
    path("settings/guardrails/check/", guardrails.try_text, name="guardrail_try"),
    path("settings/prompts/", prompts.prompts, name="prompts_page"),
    path("settings/prompts/<str:name>/", prompts.prompt, name="prompt_page"),
    path("settings/prompts/<str:name>/activate/", prompts.activate, name="prompt_page_activate"),
    path("settings/prompts/<str:name>/rollback/", prompts.rollback, name="prompt_page_rollback"),
    path(
        "settings/prompt-experiments/<uuid:experiment_id>/stop/",
        prompts.stop_experiment,
        name="prompt_page_experiment_stop",
    ),
    path("enter/<str:token>/", workspaces.enter, name="enter"),
    path("share/<str:token>/", shares.shared, name="shared"),
    path("accounts/signup/", RedirectView.as_view(pattern_name="account_login")),
    *_accounts,
]
