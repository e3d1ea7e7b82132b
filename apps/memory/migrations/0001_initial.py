import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import pgvector.django.halfvec
from django.db import migrations, models

import apps.core.clock
import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Memory",
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
                ("subject_id", models.UUIDField()),
                ("text", models.TextField()),
                ("kind", models.CharField(default="semantic", max_length=16)),
                ("importance", models.PositiveSmallIntegerField(default=5)),
                ("confidence", models.FloatField(default=1.0)),
                ("pinned_at", models.DateTimeField(null=True)),
                (
                    "source_message_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                ("content_hash", models.CharField(max_length=64)),
                ("embedding", pgvector.django.halfvec.HalfVectorField(dimensions=384, null=True)),
                ("embedding_model", models.CharField(blank=True, max_length=100)),
                ("status", models.CharField(default="active", max_length=16)),
                (
                    "words",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.contrib.postgres.search.SearchVector(
                            "text", config="english"
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                ("created_at", models.DateTimeField(default=apps.core.clock.now, editable=False)),
                ("updated_at", models.DateTimeField(default=apps.core.clock.now)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("use_count", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ("id",),
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "active")),
                        fields=["subject_id", "embedding_model"],
                        name="memory_of_subject",
                    ),
                    django.contrib.postgres.indexes.GinIndex(fields=["words"], name="memory_words"),
                    models.Index(
                        condition=models.Q(("embedding__isnull", True), ("status", "active")),
                        fields=["id"],
                        name="memory_to_embed",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "active")),
                        fields=("subject_id", "content_hash"),
                        name="memory_said_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("importance__gte", 1), ("importance__lte", 10)),
                        name="memory_importance",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("confidence__gte", 0), ("confidence__lte", 1)),
                        name="memory_confidence",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["episodic", "procedural", "semantic"])),
                        name="memory_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["active", "archived"])),
                        name="memory_status_known",
                    ),
                ],
            },
        ),
    ]
