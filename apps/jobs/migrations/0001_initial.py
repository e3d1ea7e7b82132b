from django.db import migrations, models

import apps.core.clock
import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField(null=True)),
                ("task", models.CharField(max_length=100)),
                ("queue", models.CharField(max_length=32)),
                ("kwargs", models.JSONField(default=dict)),
                ("correlation_id", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(db_index=True, default=apps.core.clock.now)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                "verbose_name": "outbox entry",
                "verbose_name_plural": "outbox entries",
                "ordering": ("created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField(null=True)),
                ("task", models.CharField(max_length=100)),
                ("queue", models.CharField(max_length=32)),
                ("kwargs", models.JSONField(default=dict)),
                ("correlation_id", models.CharField(blank=True, max_length=64)),
                ("reason", models.CharField(max_length=64)),
                ("error", models.TextField(blank=True)),
                ("at", models.DateTimeField(default=apps.core.clock.now)),
                ("replayed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "dead letter",
                "verbose_name_plural": "dead letters",
                "ordering": ("-at", "-id"),
                "indexes": [
                    models.Index(fields=["tenant_id", "-at"], name="dead_letter_tenant_at")
                ],
            },
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=32)),
                ("key", models.UUIDField()),
                ("tenant_id", models.UUIDField(null=True)),
                ("owner", models.CharField(max_length=100)),
                ("until", models.DateTimeField(db_index=True)),
            ],
            options={
                "ordering": ("until",),
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "tenant_id", "key"),
                        name="lease_unique_work",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
    ]
