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
            recall_memories,
            register_search_tools,
        )
        from apps.conversations.commands.builtin import (  # apps are loaded only now
            register_builtin_commands,
        )
        from apps.conversations.commands.sources import (  # apps are loaded only now
            register_sources,
        )
        from apps.conversations.prompts import register_chat_prompts  # apps are loaded only now
        from apps.conversations.search import upkeep  # apps are loaded only now
        from apps.conversations.search.elastic import answers  # apps are loaded only now
        from apps.conversations.services.transfer import recover_import  # apps are loaded only now
        from apps.conversations.services.turns import recover_turn  # apps are loaded only now
        from apps.jobs.registry import register_lease_handler  # apps are loaded only now

        register_actions(
            {
                "conversation.created": "Conversation started",
                "conversation.configured": "Conversation configured",
                "conversation.deleted": "Conversation deleted",
                "conversation.expired": "Temporary conversation erased",
                "conversation.forked": "Conversation forked",
                "conversation.import_started": "Import started",
                "conversation.imported": "Conversation imported",
                "conversation.participant_added": "Person added to a conversation",
                "conversation.participant_removed": "Person removed from a conversation",
                "conversation.shared": "Conversation shared",
                "conversation.unshared": "Share of a conversation revoked",
                "turn.cancelled": "Answer stopped",
                "answer.rated": "Answer rated",
                "answer.unrated": "Rating of an answer taken back",
                "message.pinned": "Message pinned",
                "message.unpinned": "Message unpinned",
                "folder.created": "Folder created",
                "folder.changed": "Folder changed",
                "folder.deleted": "Folder deleted",
                "persona.created": "Persona created",
                "persona.changed": "Persona changed",
                "persona.deleted": "Persona deleted",
                "attachment.uploaded": "File uploaded",
                "attachment.refused": "File refused",
                "attachment.deleted": "File deleted",
            }
        )
        register_lease_handler("turn", recover_turn)
        register_lease_handler("attachment", recover)
        register_lease_handler("import", recover_import)
        upkeep.register_vectors()
        register_chat_prompts()
        register_builtin_commands()
        register_sources()
        if settings.ELASTICSEARCH_URL:  # search goes on without it, so it is not required
            register_check(Check(name="elasticsearch", run=lambda: Outcome(ok=answers())))
        register_search_tools(find=find_by_search, recall=recall_memories)
