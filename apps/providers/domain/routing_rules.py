"""The rules of routing as people write them: conditions, targets, fallbacks. Pure.

Stored as JSON and parsed here, so that a wrong rule is refused where it is written.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from apps.providers.contracts import Cause


class Need(StrEnum):
    """What a question demands of its model."""

    TOOLS = "tools"
    VISION = "vision"
    FORMATS = "formats"
    REASONING = "reasoning"


class Order(StrEnum):
    """How a policy's routes are put in order."""

    GIVEN = "given"
    WEIGHTED = "weighted"  # by their weights, the same for the same subject
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Conditions(_Strict):
    """When a policy applies; every condition that is given must hold.

    Attributes:
        flows: Why the model is called, such as `chat.answer`; `chat.*` for all of chat.
        sensitive: The content is (or is not) sensitive.
        interactive: Somebody waits for the first word.
        min_tokens: The prompt has at least so many tokens.
        max_tokens: And at most so many.
        needs: All of these are demanded.
        users: One of these asks.
        hours: From the first hour to before the second, UTC; may pass midnight.
        weekdays: 0 is Monday.
    """

    flows: tuple[str, ...] = ()
    sensitive: bool | None = None
    interactive: bool | None = None
    min_tokens: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    needs: tuple[Need, ...] = ()
    users: tuple[UUID, ...] = ()
    hours: tuple[int, int] | None = None
    weekdays: tuple[int, ...] = ()


class Target(_Strict):
    """A model, or several by a pattern such as `groq/*`, with its share of the calls."""

    model: str = Field(min_length=1, max_length=200)
    weight: float = Field(default=1.0, ge=0, le=1_000_000)


class Routes(_Strict):
    """Where calls go under a policy.

    Attributes:
        targets: The candidates.
        order: How they are put in order.
        local_only: Nothing but trusted and in-process models, whatever happens.
        max_cost: Most US dollars that one call may cost by its estimate.
        max_first_ms: Models whose first words take longer (p95) come last.
    """

    targets: tuple[Target, ...] = ()
    order: Order = Order.GIVEN
    local_only: bool = False
    max_cost: Decimal | None = Field(default=None, ge=0)
    max_first_ms: int | None = Field(default=None, ge=1)


class Fallbacks(_Strict):
    """Which models are asked instead, by cause; patterns as in targets."""

    failure: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()

    def for_cause(self, cause: Cause) -> tuple[str, ...]:
        """Return the list for a cause."""
        match cause:
            case Cause.FAILURE:
                return self.failure
            case Cause.CONTEXT:
                return self.context
            case Cause.REFUSAL:
                return self.refusal


ANY, NOWHERE, NONE = Conditions(), Routes(), Fallbacks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One rule: when `conditions` hold, calls go where `routes` say."""

    name: str
    conditions: Conditions = ANY
    routes: Routes = NOWHERE
    fallbacks: Fallbacks = NONE

    @classmethod
    def from_stored(
        cls, name: str, conditions: object, routes: object, fallbacks: object
    ) -> "Policy":
        """Build a policy from its row.

        Raises:
            pydantic.ValidationError: It is not of this shape; says where.
        """
        return cls(
            name=name,
            conditions=Conditions.model_validate(conditions),
            routes=Routes.model_validate(routes),
            fallbacks=Fallbacks.model_validate(fallbacks),
        )
