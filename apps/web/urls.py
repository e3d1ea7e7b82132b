"""The addresses of the pages, by kind of host. `karen_site` mounts them."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.web.views import (
    chat,
    gateway,
    guardrails,
    keys,
    memories,
    memory_changes,
    memory_portrait,
    prompts,
    provider_models,
    providers,
    public,
    shares,
    usage,
    workspaces,
)

_accounts: list[URLPattern | URLResolver] = [
    path("accounts/", include("allauth.urls")),
    path("workspaces/", workspaces.workspaces, name="workspaces"),
    path("workspaces/<uuid:tenant_id>/open/", workspaces.open_workspace, name="workspace_open"),
    path("signup/address/", public.suggest_address, name="signup_address"),
]

_PROVIDER = "settings/providers/<uuid:provider_id>/"
_MODEL = f"{_PROVIDER}models/<uuid:model_id>/"
_POLICY = "settings/gateway/policies/<uuid:policy_id>/"

_gateway: list[URLPattern | URLResolver] = [
    path("settings/providers/", providers.provider_list, name="providers_page"),
    path("settings/providers/status/", providers.provider_status, name="providers_status_page"),
    path(_PROVIDER, providers.provider_page, name="provider_page"),
    path(f"{_PROVIDER}key/", providers.provider_key, name="provider_page_key"),
    path(f"{_PROVIDER}switch/", providers.provider_switch, name="provider_page_switch"),
    path(f"{_PROVIDER}delete/", providers.provider_delete, name="provider_page_delete"),
    path(f"{_PROVIDER}test/", providers.provider_test, name="provider_page_test"),
    path(f"{_PROVIDER}discover/", provider_models.discover, name="provider_page_discover"),
    path(f"{_PROVIDER}adopt/", provider_models.adopt, name="provider_page_adopt"),
    path(f"{_PROVIDER}models/", provider_models.add, name="provider_page_models"),
    path(_MODEL, provider_models.model_page, name="provider_model_page"),
    path(f"{_MODEL}raise/", provider_models.raise_model, name="provider_model_raise"),
    path(f"{_MODEL}remove/", provider_models.remove, name="provider_model_remove"),
    path("settings/gateway/", gateway.gateway_page, name="gateway_page"),
    path("settings/gateway/policies/", gateway.policy_page, name="new_policy_page"),
    path(_POLICY, gateway.policy_page, name="policy_page"),
    path(f"{_POLICY}delete/", gateway.policy_delete, name="policy_page_delete"),
]

_ENTRY = "settings/memory/<uuid:memory_id>/"

_memory: list[URLPattern | URLResolver] = [
    path("settings/memory/", memories.memories, name="memory_page"),
    path("settings/memory/add/", memories.add, name="memory_add"),
    path("settings/memory/names/", memories.entity_page, name="memory_names"),
    path("settings/memory/profile/", memory_portrait.profile, name="memory_profile"),
    path("settings/memory/about/", memory_portrait.about, name="memory_about"),
    path("settings/memory/again/", memory_changes.again, name="memory_again"),
    path("settings/memory/changes/", memory_changes.changes, name="memory_changes"),
    path("settings/memory/changes/<uuid:change_id>/undo/", memory_changes.undo, name="memory_undo"),
    path("settings/memory/forget/", memories.forget_topic, name="memory_forget_topic"),
    path(
        "settings/memory/forget-everything/", memories.forget_everything, name="memory_forget_all"
    ),
    path(_ENTRY, memories.memory, name="memory_entry"),
    path(f"{_ENTRY}change/", memories.change, name="memory_change"),
    path(f"{_ENTRY}mark/", memories.mark, name="memory_mark"),
    path(f"{_ENTRY}restore/", memory_changes.restore, name="memory_restore"),
    path(f"{_ENTRY}merge/", memory_changes.merge, name="memory_merge"),
    path(f"{_ENTRY}forget/", memories.forget, name="memory_forget"),
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
    *_gateway,
    *_memory,
    path("usage/", usage.usage, name="usage_page"),
    path("usage/budgets/", usage.add_budget, name="budget_add"),
    path("usage/budgets/<uuid:budget_id>/", usage.change_budget, name="budget_change"),
    path("usage/budgets/<uuid:budget_id>/delete/", usage.delete_budget, name="budget_delete"),
    path("enter/<str:token>/", workspaces.enter, name="enter"),
    path("share/<str:token>/", shares.shared, name="shared"),
    path("accounts/signup/", RedirectView.as_view(pattern_name="account_login")),
    *_accounts,
]
