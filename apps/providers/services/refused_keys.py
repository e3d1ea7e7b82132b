"""What is known of keys that providers refuse; written by calls and by the watchdog, not by people.

Both functions mean the key that was tried: if another one was set meanwhile they change nothing.
"""

from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import scope
from apps.core.clock import now
from apps.providers import configuration
from apps.providers.configuration import Source
from apps.providers.models import Provider


@transaction.atomic
def note_key_refused(source: Source) -> bool:
    """Have nothing more be asked with this key; a repeat changes nothing.

    Returns:
        Whether it was news.
    """
    rows = _rows_with_key_of(source).filter(key_refused_at__isnull=True)
    return _changed(source, rows.update(key_refused_at=now()), "provider.key_refused")


@transaction.atomic
def note_key_accepted(source: Source) -> bool:
    """Have the provider be asked again; a repeat changes nothing.

    Returns:
        Whether it was news.
    """
    rows = _rows_with_key_of(source).filter(key_refused_at__isnull=False)
    return _changed(source, rows.update(key_refused_at=None), "provider.key_accepted")


def _rows_with_key_of(source: Source) -> QuerySet[Provider]:
    # Sealing draws a nonce: another key, or the same one set anew, is sealed differently.
    if source.sealed_key is None:
        return Provider.objects.filter(pk=source.id, sealed_key__isnull=True)
    return Provider.objects.filter(pk=source.id, sealed_key=source.sealed_key)


def _changed(source: Source, count: int, action: str) -> bool:
    if not count:
        return False
    if source.is_own:
        _announce(source, action)
    else:  # asked by a workspace, but everybody's
        with scope.tenant_scope(None):
            _announce(source, action)
    return True


def _announce(source: Source, action: str) -> None:
    with scope.actor_scope(scope.SYSTEM):
        audit.record(
            action=action,
            target_type=Provider._meta.model_name or "",
            target_id=source.id,
            target_label=source.slug,
        )
    configuration.changed()
