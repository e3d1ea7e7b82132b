"""Django's entry for `apps.conversations`."""

from django.apps import AppConfig
from django.conf import settings
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.core.health import Check, Outcome, register_check


class ConversationsConfig(AppConfig):
    """Conversations, messages and turns: a tenant's content."""

    name = "apps.conversations"
    label = "conversations"

    @override
    def ready(self) -> None:
        """Declare audit actions and tell jobs what to do with turns whose worker died."""
        from apps.conversations.attachments.chain import recover  # apps are loaded only now
        from apps.conversations.chat_tools import (  # apps are loaded only now
            find_by_search,
            register_search_tools,
        )
        from apps.conversations.search.elastic import answers  # apps are loaded only now
        from apps.conversations.services.turns import recover_turn  # apps are loaded only now
        from apps.jobs.registry import register_lease_handler  # apps are loaded only now

        register_actions(
            {
                "conversation.created": "Conversation started",
                "conversation.configured": "Conversation configured",
                "conversation.deleted": "Conversation deleted",
                "turn.cancelled": "Answer stopped",
                "attachment.uploaded": "File uploaded",
                "attachment.refused": "File refused",
                "attachment.deleted": "File deleted",
            }
        )
        register_lease_handler("turn", recover_turn)
        register_lease_handler("attachment", recover)
        if settings.ELASTICSEARCH_URL:  # search goes on without it, so it is not required
            register_check(Check(name="elasticsearch", run=lambda: Outcome(ok=answers())))
        register_search_tools(find=find_by_search)
