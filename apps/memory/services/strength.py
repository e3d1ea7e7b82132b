"""How strong memories are, asked of PostgreSQL; `domain.decay` says what it means."""

from django.db.models import FloatField, Q
from django.db.models.expressions import RawSQL

from apps.core.clock import now
from apps.memory.contracts import Namespace, PolicyView, Priority
from apps.memory.domain.decay import HALVINGS_MAX

# `domain.decay.strength`; a confidence of 0 is nearly 0 here, so that nothing runs dry.
_STRENGTH = """
importance / 10.0 * greatest(confidence, 1e-9) * (1 + ln(greatest(proof_count, 1) + use_count))
* CASE WHEN pinned_at IS NOT NULL OR namespace = 'persistent' THEN 1 ELSE power(0.5::float8, least(
    greatest(extract(epoch FROM %s - coalesce(last_used_at, created_at))::float8, 0) / 86400
    / CASE kind WHEN 'semantic' THEN %s WHEN 'episodic' THEN %s ELSE %s END::float8, %s::float8
)) END
"""
# What neither decay nor quotas take away.
STAYS = (
    Q(pinned_at__isnull=False) | Q(namespace=Namespace.PERSISTENT) | Q(priority=Priority.CRITICAL)
)


def strength_now(policy: PolicyView) -> RawSQL:
    """Return an expression for the strength of memories, for querysets without joins."""
    arguments = [
        now(),
        policy.semantic_half_life_days,
        policy.episodic_half_life_days,
        policy.procedural_half_life_days,
        HALVINGS_MAX,
    ]
    return RawSQL(_STRENGTH, arguments, output_field=FloatField())  # noqa: S611  # a constant
