from django.db import migrations, models


class Migration(migrations.Migration):

    contract = "older than the first release: no code of before it is ever run"

    dependencies = [
        ("dns_records", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="backend",
            name="failures",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="backend",
            name="last_error",
            field=models.TextField(blank=True, editable=False),
        ),
        migrations.AddField(
            model_name="backend",
            name="not_before",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
