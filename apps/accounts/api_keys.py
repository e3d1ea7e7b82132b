"""API keys: making, revoking, and finding out who presents one.

The database holds a keyed digest: whoever reads the table can neither use a key nor test guesses
without the platform key. Who a key stands for is asked with one query and kept in this process for
`CACHE_S` seconds; refusals are never kept. So a revoked key, a closed account or a suspended
workspace is out at once in the process where it happened and within `CACHE_S` in the others.
"""

import asyncio
import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from apps.accounts import selectors
from apps.accounts.contracts import KeyHolder, NewApiKey
from apps.accounts.domain import policy
from apps.accounts.domain.key_format import BRAND, KeyToken, new_token, read_token
from apps.accounts.errors import ApiKeyInvalid, ApiKeyNotFound, NotAMember
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.memberships import Membership
from apps.accounts.permissions import ALL, CHAT_USER
from apps.audit import services as audit
from apps.core import crypto, scope
from apps.core.clock import now
from apps.core.concurrency import platform_db
from apps.core.errors import Conflict, InvalidInput, NotAuthenticated, PermissionDenied
from apps.core.scope import Actor, TenantRef
from apps.tenants import selectors as tenants

CACHE_S = 3.0
KEYS_MAX = 50  # of one person in one workspace
LIFETIME_MAX_DAYS = 3650

_CACHE_ENTRIES_MAX = 10_000
_USE_WRITTEN_EVERY = timedelta(minutes=1)
_ACTIVE_TENANT = "active"


def _digest(token: KeyToken, tenant_id: UUID) -> str:
    key = crypto.derive_key("api-keys", tenant_id=tenant_id)
    return hmac.new(key, token.text.encode(), hashlib.sha256).hexdigest()


# -- making and revoking


@transaction.atomic(durable=True)
def create_api_key(
    *,
    actor: Actor,
    name: str,
    scopes: tuple[str, ...] | None = None,
    expires_in_days: int | None = None,
) -> NewApiKey:
    """Make a key for the actor in the workspace in scope.

    Args:
        actor: Whose key it will be.
        name: What they call it.
        scopes: Permission codes, each of which the actor holds; chatting when not given.
        expires_in_days: After how many days it stops working; None for never.

    Raises:
        NotAuthenticated: Nobody acts.
        PermissionDenied: The actor may not chat, so there is nothing a key could do.
        NotAMember: They do not belong to the workspace.
        InvalidInput: Name, scopes or lifetime do not fit; says which.
        Conflict: They have `KEYS_MAX` keys already.
    """
    if actor.id is None:
        raise NotAuthenticated
    if not actor.may(CHAT_USER):
        raise PermissionDenied(CHAT_USER)
    tenant = scope.require()
    wanted = _checked_scopes(actor, scopes)
    _check_form(name=name, expires_in_days=expires_in_days)
    # Locked, so that two requests at once do not make one key too many.
    membership = (
        Membership.objects.select_for_update()
        .filter(tenant_id=tenant.id, user_id=actor.id, is_active=True)
        .first()
    )
    if membership is None:
        raise NotAMember
    if ApiKey.objects.filter(membership=membership, revoked_at=None).count() >= KEYS_MAX:
        raise Conflict(_("You have too many API keys. Revoke one that you do not use any more."))
    token = new_token()
    key = ApiKey.objects.create(
        tenant_id=tenant.id,
        user_id=actor.id,
        membership=membership,
        name=name.strip(),
        prefix=token.prefix,
        digest=_digest(token, tenant.id),
        scopes=list(wanted),
        expires_at=now() + timedelta(days=expires_in_days) if expires_in_days else None,
    )
    _record("account.key_created", key, {"scopes": list(wanted), "expires_at": _iso(key)})
    return NewApiKey(key=selectors.api_key_view(key), token=token.text)


@transaction.atomic(durable=True)
def revoke_api_key(*, actor: Actor, key_id: UUID) -> None:
    """Make one of the actor's keys useless.

    Raises:
        ApiKeyNotFound: They have no such key here, or it is revoked already.
    """
    key = selectors.access_api_key(actor=actor, key_id=key_id)
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now()):
        raise ApiKeyNotFound
    _record("account.key_revoked", key, None)
    transaction.on_commit(forget_keys)


def _checked_scopes(actor: Actor, scopes: tuple[str, ...] | None) -> tuple[str, ...]:
    wanted = (CHAT_USER,) if scopes is None else tuple(sorted(set(scopes)))
    if not wanted:
        raise InvalidInput(fields={"scopes": [_("Choose at least one permission.")]})
    beyond = [code for code in wanted if code not in ALL or not actor.may(code)]
    if beyond:
        text = _("You do not hold: %(codes)s.") % {"codes": ", ".join(beyond)[:200]}
        raise InvalidInput(fields={"scopes": [text]})
    return wanted


def _check_form(*, name: str, expires_in_days: int | None) -> None:
    fields: dict[str, list[str]] = {}
    if not 1 <= len(name.strip()) <= 80 or "\x00" in name:
        fields["name"] = [_("Give the key a name of at most 80 characters.")]
    if expires_in_days is not None and not 1 <= expires_in_days <= LIFETIME_MAX_DAYS:
        fields["expires_in_days"] = [_("Between 1 and 3650 days, or none.")]
    if fields:
        raise InvalidInput(fields=fields)


def _iso(key: ApiKey) -> str | None:
    return key.expires_at.isoformat() if key.expires_at else None


def _record(action: str, key: ApiKey, new: dict[str, object] | None) -> None:
    audit.record(
        action=action, target_type="api_key", target_id=key.pk, target_label=str(key), new=new
    )


# -- who presents a key


class _Cache:
    """Bounded map of digest → holder with an expiry, safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, KeyHolder]] = OrderedDict()

    def get(self, place: bytes) -> KeyHolder | None:
        with self._lock:
            entry = self._entries.get(place)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, place: bytes, holder: KeyHolder) -> None:
        with self._lock:
            self._entries[place] = (time.monotonic() + CACHE_S, holder)
            self._entries.move_to_end(place)
            while len(self._entries) > _CACHE_ENTRIES_MAX:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()
# Requests that arrive together with one key ask the database once.
_asking: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[bytes, "asyncio.Future[KeyHolder | None]"]
] = WeakKeyDictionary()


def forget_keys() -> None:
    """Drop this process's answers; called when a key, a membership or an account changes here."""
    _cache.clear()


def _place(token: KeyToken, tenant: TenantRef) -> bytes:
    # Not the key itself: a process's memory ends up in crash reports.
    return hashlib.blake2b(token.text.encode(), digest_size=16, key=tenant.id.bytes).digest()


def holder_of_key(text: str, tenant: TenantRef) -> KeyHolder:
    """Return who presents the key `text` in `tenant`; from synchronous code.

    Raises:
        ApiKeyInvalid: It opens nothing here.
    """
    token = _well_formed(text)
    place = _place(token, tenant)
    return _unexpired(_cache.get(place) or _looked_up(token, tenant, place))


async def holder_of_key_async(text: str, tenant: TenantRef) -> KeyHolder:
    """Return who presents the key `text` in `tenant`; off the event loop only on a cache miss.

    Raises:
        ApiKeyInvalid: It opens nothing here.
    """
    token = _well_formed(text)
    place = _place(token, tenant)
    holder = _cache.get(place)
    if holder is None:
        waiting = _asking.setdefault(asyncio.get_running_loop(), {})
        asked = waiting.get(place)
        if asked is None:
            asked = asyncio.ensure_future(platform_db(_looked_up, token, tenant, place))
            waiting[place] = asked
            asked.add_done_callback(lambda _done: waiting.pop(place, None))
        holder = await asyncio.shield(asked)  # whoever goes away leaves the others their answer
    return _unexpired(holder)


def actor_of_credential(credential: str, tenant: TenantRef) -> Actor | None:
    """Return who a session key or an API key stands for in `tenant` now, or None."""
    if not credential.startswith(f"{BRAND}_"):  # a session key has no underscore
        return selectors.actor_of_session(credential, tenant)
    try:
        return holder_of_key(credential, tenant).actor
    except ApiKeyInvalid:
        return None


def _well_formed(text: str) -> KeyToken:
    token = read_token(text)
    if token is None:
        raise ApiKeyInvalid
    return token


def _unexpired(holder: KeyHolder | None) -> KeyHolder:
    if holder is None or (holder.expires_at is not None and holder.expires_at <= now()):
        raise ApiKeyInvalid
    return holder


def _looked_up(token: KeyToken, tenant: TenantRef, place: bytes) -> KeyHolder | None:
    """Ask the database, remember a valid key, and write down its use once a minute."""
    moment = now()
    key = (
        ApiKey.objects.select_related(
            "membership__user", "membership__role__parent__parent__parent__parent"
        )
        .filter(Q(expires_at=None) | Q(expires_at__gt=moment))
        .filter(
            prefix=token.prefix,
            tenant_id=tenant.id,
            revoked_at=None,
            tenant__state=_ACTIVE_TENANT,
            membership__tenant_id=tenant.id,
            membership__is_active=True,
            membership__user__is_active=True,
        )
        .first()
    )
    if key is None or not hmac.compare_digest(key.digest, _digest(token, tenant.id)):
        return None
    holder = KeyHolder(
        key_id=key.pk,
        actor=_actor(key),
        expires_at=key.expires_at,
        requests_per_minute=tenants.limits_of(tenant.id).api_requests_per_minute,
    )
    _note_use(key, moment)
    _cache.put(place, holder)
    return holder


def _actor(key: ApiKey) -> Actor:
    user = key.membership.user
    held = selectors.role_permissions(key.membership.role)
    given = policy.implied(key.scopes, known=ALL)
    return Actor(id=user.pk, label=user.label, permissions=held & given)


def _note_use(key: ApiKey, moment: datetime) -> None:
    stale = moment - _USE_WRITTEN_EVERY
    if key.last_used_at is None or key.last_used_at < stale:
        unwritten = Q(last_used_at=None) | Q(last_used_at__lt=stale)
        ApiKey.objects.filter(unwritten, pk=key.pk).update(last_used_at=moment)
