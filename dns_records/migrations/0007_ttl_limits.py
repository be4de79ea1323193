import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dns_records', '0006_schedules'),
    ]

    operations = [
        migrations.AddField(
            model_name='zone',
            name='max_ttl',
            field=models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(2147483647)]),
        ),
        migrations.AddField(
            model_name='zone',
            name='min_ttl',
            field=models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(2147483647)]),
        ),
    ]
