"""How well recall finds what is remembered, measured every night on a sample.

A memory is asked for with the words it rests on, without the names in them; it counts as found
when it is among the first ten. Nobody has labelled anything, so the share says less than the
benchmark does; that it falls says that something broke.
"""

import redis

from apps.core import scope
from apps.core.logging import get_logger
from apps.jobs.task import remaining_s
from apps.memory import metrics, selectors, tally
from apps.memory.domain.questions import without_names
from apps.memory.errors import RecallUnavailable
from apps.memory.recall import recall
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

SAMPLE = 50
AMONG = 10
_WITHIN_S = 10.0  # nobody waits, and the first may load the model
_RESERVE_S = 10.0


def sample() -> tuple[int, int]:
    """Ask for some of the live memories of the tenant in scope.

    Returns:
        How many were asked for, and how many of them found.
    """
    asked = found = 0
    for each in selectors.sample_for_quality(limit=SAMPLE):
        question = without_names(each.words, each.names)
        if not any(sign.isalnum() for sign in question):
            continue
        try:
            results = recall(
                query=question,
                subject_id=each.subject_id,
                k=AMONG,
                within_s=_WITHIN_S,
                is_sensitive=True,
                is_counted=False,
            )
        except RecallUnavailable:
            logger.warning("memory.quality_not_sampled", asked=asked)
            break
        asked += 1
        found += any(result.id == each.memory_id for result in results)
    if asked:
        tally.note(tally.SAMPLED, asked)
        tally.note(tally.FOUND, found)
    return asked, found


def sample_all() -> None:
    """Ask in every workspace, as far as time allows, and publish the share that was found."""
    asked = found = 0
    for ref in tenants.list_refs():
        if remaining_s() < _RESERVE_S:
            logger.warning("memory.quality_sampled_in_part", asked=asked)
            break
        with scope.tenant_scope(ref):
            here, there = sample()
        asked, found = asked + here, found + there
    if not asked:
        return
    logger.info("memory.quality_sampled", asked=asked, found=found)
    try:
        tally.flush()  # nobody may be asked anything here for the rest of the night
        metrics.publish_quality(found / asked)
    except redis.RedisError:
        logger.warning("memory.quality_not_published")
