import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import pgvector.django.halfvec
from django.db import migrations, models

import apps.core.clock

# Rows go with what they describe, in the database: what a task writes while a conversation is being
# deleted neither stays behind nor stops the deletion.
CASCADES = """
ALTER TABLE conversations_messageindex ADD CONSTRAINT messageindex_of_conversation
    FOREIGN KEY (conversation_id) REFERENCES conversations_conversation (id) ON DELETE CASCADE;
ALTER TABLE conversations_messageindex ADD CONSTRAINT messageindex_of_message
    FOREIGN KEY (message_id) REFERENCES conversations_message (id) ON DELETE CASCADE;
ALTER TABLE conversations_messagevector ADD CONSTRAINT messagevector_of_entry
    FOREIGN KEY (entry_id) REFERENCES conversations_messageindex (id) ON DELETE CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0015_attachments"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageIndex",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("role", models.CharField(blank=True, max_length=16)),
                ("model", models.CharField(blank=True, max_length=100)),
                ("author_id", models.UUIDField(null=True)),
                ("has_file", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("words", django.contrib.postgres.search.SearchVectorField()),
                ("fingerprint", models.CharField(max_length=32)),
                (
                    "conversation",
                    models.ForeignKey(
                        db_index=False,
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="conversations.conversation",
                    ),
                ),
                (
                    "message",
                    models.OneToOneField(
                        null=True,
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="indexed",
                        to="conversations.message",
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at", "-id"),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SearchExport",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("entry_id", models.UUIDField()),
                ("created_at", models.DateTimeField(default=apps.core.clock.now)),
            ],
            options={
                "ordering": ("id",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SearchWord",
            fields=[
                ("word", models.CharField(max_length=32, primary_key=True, serialize=False)),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), size=None
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["keys"], name="searchword_keys"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageVector",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="vector",
                        serialize=False,
                        to="conversations.messageindex",
                    ),
                ),
                ("conversation_id", models.UUIDField()),
                ("created_at", models.DateTimeField()),
                ("model", models.CharField(max_length=100)),
                ("embedding", pgvector.django.halfvec.HalfVectorField(dimensions=384)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["-created_at"], name="messagevector_newest")],
            },
        ),
        migrations.AddIndex(
            model_name="messageindex",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["words"], name="messageindex_words"
            ),
        ),
        migrations.AddIndex(
            model_name="messageindex",
            index=models.Index(
                fields=["conversation", "-created_at"], name="messageindex_conversation"
            ),
        ),
        migrations.AddIndex(
            model_name="messageindex",
            index=models.Index(fields=["-created_at", "-id"], name="messageindex_newest"),
        ),
        migrations.RunSQL(CASCADES, migrations.RunSQL.noop),
    ]
