from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0030_summaries"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="sensitive",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
