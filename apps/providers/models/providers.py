"""Ways to reach models, and the models behind them."""

from django.db import models
from django.db.models import Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class Provider(models.Model):
    """One way to reach models: an address, a key, and what may be sent there.

    Rows without a workspace are the platform's and offered to every workspace; only those may
    point to private addresses, because only operators write them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="workspace",
        help_text="Empty: offered to every workspace.",
    )
    slug = models.SlugField(
        max_length=40,
        help_text="First part of its models' ids, such as `groq` in `groq/llama-3.3-70b`.",
    )
    label = models.CharField(max_length=80)
    preset = models.SlugField(max_length=40, blank=True, help_text="What it was made from.")
    adapter = models.SlugField(
        max_length=60,
        default="openai_compatible",
        help_text="How it is spoken to: `openai_compatible`, or the name of an installed adapter.",
    )
    base_url = models.CharField(max_length=400, blank=True)
    sealed_key = models.BinaryField(null=True, editable=False)
    key_hint = models.CharField(max_length=8, blank=True, editable=False)
    key_refused_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when the provider refuses the key."
    )
    is_enabled = models.BooleanField(default=True)
    is_trusted = models.BooleanField(
        default=False, help_text="Sensitive content may be sent there, as to a local model."
    )
    simulate_failure = models.BooleanField(
        default=False, help_text="Every call fails, so that fallbacks can be tried."
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "slug"), nulls_distinct=False, name="provider_slug_unique"
            ),
            models.CheckConstraint(
                condition=Q(slug__regex=r"^[a-z0-9][a-z0-9_-]*$"), name="provider_slug_is_plain"
            ),
        )

    @override
    def __str__(self) -> str:
        return self.slug


class Model(models.Model):
    """One model of a provider: its name over there, what it can do, what it costs."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=160, help_text="What the provider calls it.")
    label = models.CharField(max_length=120, blank=True)
    position = models.PositiveSmallIntegerField(default=100, help_text="Lower comes first.")
    is_enabled = models.BooleanField(default=True)
    context_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: what is known of models of this name."
    )
    supports_tools = models.BooleanField(null=True, blank=True)
    supports_vision = models.BooleanField(null=True, blank=True)
    supports_formats = models.BooleanField(null=True, blank=True)
    supports_reasoning = models.BooleanField(null=True, blank=True)
    is_embedder = models.BooleanField(default=False)
    price_key = models.CharField(
        max_length=160, blank=True, help_text="Name in the price list, where it differs."
    )
    input_price = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True,
        help_text="US dollars for a million tokens read. Empty: the price list decides.",
    )  # fmt: skip
    cached_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    output_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)

    class Meta:
        ordering = ("position", "name")
        constraints = (
            models.UniqueConstraint(fields=("provider", "name"), name="model_once_per_provider"),
            models.CheckConstraint(
                condition=Q(input_price__isnull=True, output_price__isnull=True)
                | Q(input_price__gte=0, output_price__gte=0),
                name="model_prices_come_together",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.provider.slug}/{self.name}"
