"""No index twice; of references that most rows lack, only those that are there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    contract = "only indexes go, and a label changes: columns stay as they are"

    dependencies = [
        ('requests_tracker', '0004_schedules'),
    ]

    operations = [
        migrations.AlterField(
            model_name='outboxevent',
            name='request',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='requests_tracker.request'),
        ),
        migrations.AlterField(
            model_name='request',
            name='part_of',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='parts', to='requests_tracker.request'),
        ),
        migrations.AlterField(
            model_name='request',
            name='retry_of',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='retries', to='requests_tracker.request'),
        ),
        migrations.AlterField(
            model_name='request',
            name='revert_of',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reverts', to='requests_tracker.request'),
        ),
        migrations.AlterField(
            model_name='requestevent',
            name='request',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='requests_tracker.request'),
        ),
        migrations.AddIndex(
            model_name='request',
            index=models.Index(condition=models.Q(('retry_of__isnull', False)), fields=['retry_of'], name='request_retry_of'),
        ),
        migrations.AddIndex(
            model_name='request',
            index=models.Index(condition=models.Q(('revert_of__isnull', False)), fields=['revert_of'], name='request_revert_of'),
        ),
        migrations.AddIndex(
            model_name='request',
            index=models.Index(condition=models.Q(('part_of__isnull', False)), fields=['part_of'], name='request_part_of'),
        ),
    ]
