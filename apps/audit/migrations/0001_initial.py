from django.db import migrations, models

import apps.core.clock
import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
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
                ("at", models.DateTimeField(default=apps.core.clock.now, editable=False)),
                ("tenant_id", models.UUIDField(editable=False, null=True)),
                ("actor_id", models.UUIDField(editable=False, null=True)),
                ("actor_kind", models.CharField(editable=False, max_length=16)),
                ("actor_label", models.CharField(editable=False, max_length=254)),
                ("action", models.CharField(editable=False, max_length=64)),
                ("target_type", models.CharField(editable=False, max_length=64)),
                ("target_id", models.CharField(editable=False, max_length=64)),
                ("target_label", models.CharField(editable=False, max_length=254)),
                ("old", models.JSONField(editable=False, null=True)),
                ("new", models.JSONField(editable=False, null=True)),
                ("data", models.JSONField(editable=False, null=True)),
                ("correlation_id", models.CharField(editable=False, max_length=64)),
                ("backfilled", models.BooleanField(default=False, editable=False)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "ordering": ("-at", "-id"),
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["tenant_id", "-at"], name="audit_tenant_at"),
                    models.Index(fields=["action", "-at"], name="audit_action_at"),
                ],
            },
        ),
    ]
