"""Who asks."""

from dataclasses import dataclass
from uuid import UUID

from apps.core.scope import Actor, TenantRef
from apps.providers.contracts import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who presents a key.

    Attributes:
        actor: The key's owner, with what the key allows.
        tenant: The workspace.
        key_id: The key.
    """

    actor: Actor
    tenant: TenantRef
    key_id: UUID

    @property
    def origin(self) -> Origin:
        """On whose behalf this key asks models."""
        return Origin(user_id=self.actor.id, key_id=self.key_id)

    @property
    def partition(self) -> str:
        """What separates this key's prompts from all others in a model's caches."""
        return f"{self.tenant.id.hex}:key-{self.key_id.hex}"
