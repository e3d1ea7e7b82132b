"""Choosing guardrails, trying them, and writing down what they decided."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.permissions import TENANT_ADMIN
from apps.audit import services as audit
from apps.core import crypto, scope
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.core.scope import Actor
from apps.providers import configuration
from apps.providers.answer_guard import OutputGuard
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelRequest,
    Role,
    TextDelta,
)
from apps.providers.domain.content_rules import RuleInvalid, check_rule
from apps.providers.domain.guarding import (
    RULES_MAX,
    ContentRule,
    Decision,
    GuardrailSettings,
    Origin,
    Stage,
)
from apps.providers.errors import GuardrailRefused
from apps.providers.guardrails import check_input, decisions_of
from apps.providers.models.guardrails import (
    ContentRule as StoredRule,
    GuardrailDecision,
    GuardrailPolicy,
)
from apps.providers.nlp import why_no_names
from apps.providers.policies import stored_guardrails

KEPT_DAYS = 90
_NAME_MAX = 60
_ERASED_AT_ONCE = 5_000
_EXPLANATION_MAX = 500


# -- choosing


@transaction.atomic(durable=True)
def set_guardrails(*, actor: Actor, wanted: GuardrailSettings) -> GuardrailSettings:
    """Replace what the workspace in scope has chosen, rules included.

    A repeat changes nothing. `wanted.version` is the version it is based on; 0 for whichever.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        InvalidInput: A rule cannot be used; says which and why.
        Conflict: Somebody else changed it since.
    """
    policy = _locked_policy(actor)
    old = stored_guardrails(policy.tenant_id)
    if wanted.version not in {0, old.version}:
        raise Conflict(_("Somebody else changed the guardrails meanwhile. Reload and try again."))
    rules = _checked_rules(wanted.rules)
    wanted = replace(wanted, rules=rules, version=old.version)
    return _changed(policy, old, wanted)


@transaction.atomic(durable=True)
def add_content_rule(*, actor: Actor, rule: ContentRule) -> GuardrailSettings:
    """Add one rule to those of the workspace in scope.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        InvalidInput: It cannot be used, or its name is taken; says why.
    """
    policy = _locked_policy(actor)
    old = stored_guardrails(policy.tenant_id)
    rules = _checked_rules((*old.rules, rule), whole=False)
    return _changed(policy, old, replace(old, rules=rules))


@transaction.atomic(durable=True)
def remove_content_rule(*, actor: Actor, name: str) -> GuardrailSettings:
    """Remove one rule of the workspace in scope.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        NotFound: It has no rule of that name.
    """
    policy = _locked_policy(actor)
    old = stored_guardrails(policy.tenant_id)
    rules = tuple(rule for rule in old.rules if rule.name != name)
    if len(rules) == len(old.rules):
        raise NotFound
    return _changed(policy, old, replace(old, rules=rules))


def _locked_policy(actor: Actor) -> GuardrailPolicy:
    if not actor.may(TENANT_ADMIN):
        raise PermissionDenied(TENANT_ADMIN)
    tenant_id = scope.require().id
    GuardrailPolicy.objects.get_or_create(tenant_id=tenant_id)
    return GuardrailPolicy.objects.select_for_update().get(tenant_id=tenant_id)


def _changed(
    policy: GuardrailPolicy, old: GuardrailSettings, wanted: GuardrailSettings
) -> GuardrailSettings:
    if wanted == old:
        return old
    wanted = replace(wanted, version=old.version + 1)
    GuardrailPolicy.objects.filter(pk=policy.pk).update(
        level=wanted.level,
        pii_action=wanted.pii,
        injection_action=wanted.injection,
        secrets_in_answers=wanted.secrets_in_answers,
        repair_structure=wanted.repair_structure,
        answer_notes=wanted.answer_notes,
        version=wanted.version,
        updated_at=now(),
    )
    if wanted.rules != old.rules:
        mine = StoredRule.objects.filter(tenant_id=policy.tenant_id)
        mine.delete()
        StoredRule.objects.bulk_create(
            StoredRule(tenant_id=policy.tenant_id, **asdict(rule)) for rule in wanted.rules
        )
    before, after = _difference(old, wanted)
    audit.record(
        action="guardrails.changed",
        target_type="guardrails",
        target_id=policy.pk,
        target_label=scope.require().slug,
        old=before,
        new=after,
    )
    configuration.changed()
    return wanted


def _difference(
    old: GuardrailSettings, new: GuardrailSettings
) -> tuple[dict[str, object], dict[str, object]]:
    before, after = asdict(old), asdict(new)
    changed = [name for name in after if before[name] != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}


def _checked_rules(rules: Sequence[ContentRule], *, whole: bool = True) -> tuple[ContentRule, ...]:
    """Return `rules` in order of their names, each of them usable.

    Raises:
        InvalidInput: Says by `rules.<number>.<field>` what does not fit; by `<field>` of the last
            one where only that one is new.
    """
    fields: dict[str, list[str]] = {}
    names: set[str] = set()
    kept: list[ContentRule] = []
    for number, rule in enumerate(rules):
        place = f"rules.{number}." if whole else ""
        name = rule.name.strip()
        if not 1 <= len(name) <= _NAME_MAX or not name.isprintable():
            fields[f"{place}name"] = [_("Give the rule a name of at most 60 characters.")]
        elif name.casefold() in names:
            fields[f"{place}name"] = [_("Another rule has this name.")]
        names.add(name.casefold())
        try:
            check_rule(rule.kind, rule.pattern)
        except RuleInvalid as error:
            fields[f"{place}pattern"] = [str(error)]
        kept.append(replace(rule, name=name))
    if len(rules) > RULES_MAX:
        fields["rules" if whole else "name"] = [
            _("At most %(most)d rules are possible.") % {"most": RULES_MAX}
        ]
    if fields:
        raise InvalidInput(fields=fields)
    return tuple(sorted(kept, key=lambda rule: rule.name))


# -- trying


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailExplanation:
    """What would happen to a text.

    Attributes:
        allowed: It would pass.
        text: What the model would see, or the person.
        sensitive: It holds personal data as it is.
        local_only: Only local models would be asked.
        decisions: Why.
        names_missed: Why names cannot be found; empty when they can.
    """

    allowed: bool
    text: str
    sensitive: bool
    local_only: bool
    decisions: tuple[Decision, ...]
    names_missed: str


def explain_guardrails(
    *, actor: Actor, text: str, stage: Stage = Stage.INPUT, origin: Origin = Origin.USER
) -> GuardrailExplanation:
    """Say what would happen to a text in the workspace in scope. Calls no model, writes nothing.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
    """
    if not actor.may(TENANT_ADMIN):
        raise PermissionDenied(TENANT_ADMIN)
    policy = stored_guardrails(scope.require().id)
    try:
        if stage is Stage.OUTPUT:
            return _explained_answer(policy, text)
        return _explained_prompt(policy, text, origin)
    except GuardrailRefused as refused:
        return GuardrailExplanation(
            allowed=False,
            text="",
            sensitive=False,
            local_only=False,
            decisions=decisions_of(refused),
            names_missed=why_no_names(),
        )


def _explained_prompt(policy: GuardrailSettings, text: str, origin: Origin) -> GuardrailExplanation:
    said = ChatMessage(role=Role.USER, text=text if origin is Origin.USER else "")
    messages = [said]
    if origin is Origin.CONTENT:
        messages.append(ChatMessage(role=Role.TOOL, text=text, tool_call_id="check"))
    request = ModelRequest(
        model="", messages=tuple(messages), max_tokens=1, temperature=0, partition=""
    )
    verdict = check_input(policy, request)
    return GuardrailExplanation(
        allowed=True,
        text=verdict.request.messages[-1].text,
        sensitive=verdict.sensitive,
        local_only=verdict.local_only,
        decisions=verdict.decisions,
        names_missed=why_no_names(),
    )


def _explained_answer(policy: GuardrailSettings, text: str) -> GuardrailExplanation:
    guard = OutputGuard(policy)
    events = guard.feed([TextDelta(text=text), Finished(reason=FinishReason.STOP)])
    events += guard.finish()
    return GuardrailExplanation(
        allowed=True,
        text="".join(event.text for event in events if isinstance(event, TextDelta)),
        sensitive=False,
        local_only=False,
        decisions=guard.report.decisions,
        names_missed=why_no_names(),
    )


# -- writing down


def record_guardrail_decisions(
    *, decisions: Sequence[Decision], flow: Flow, turn_id: UUID | None = None
) -> int:
    """Write down what was decided in the workspace in scope; return how many rows that made.

    The excerpts are written as one keyed hash each decision: never as they are.
    """
    tenant_id = scope.require().id
    rows = [
        GuardrailDecision(
            tenant_id=tenant_id,
            turn_id=turn_id,
            flow=flow.value,
            stage=decision.stage.value,
            rule=decision.rule[:80],
            action=decision.outcome.value,
            explanation=decision.explanation[:_EXPLANATION_MAX],
            excerpt_hash=excerpt_hash(decision.excerpts, tenant_id),
            score=decision.score,
            count=decision.count,
        )
        for decision in decisions
    ]
    GuardrailDecision.objects.bulk_create(rows)
    return len(rows)


def excerpt_hash(excerpts: Sequence[str], tenant_id: UUID) -> str:
    """Return the keyed hash of what was found; empty for nothing."""
    if not excerpts:
        return ""
    digest = hmac.new(_hash_key(tenant_id), digestmod=hashlib.sha256)
    for excerpt in sorted(excerpts):
        encoded = excerpt.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


@lru_cache(maxsize=1024)
def _hash_key(tenant_id: UUID) -> bytes:
    return crypto.derive_key("guardrail-excerpts", tenant_id=tenant_id)


def erase_old_decisions(*, before: datetime) -> int:
    """Erase what was decided before then, a bounded number at a time; return how many went."""
    old = GuardrailDecision.objects.filter(created_at__lt=before).values("pk")[:_ERASED_AT_ONCE]
    gone, _each = GuardrailDecision.objects.filter(pk__in=old).delete()
    return gone
