"""No index twice; of references that most rows lack, only those that are there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    contract = "only indexes go, and a label changes: columns stay as they are"

    dependencies = [
        ('dns_records', '0009_names_from_their_end'),
        ('requests_tracker', '0005_fewer_indexes'),
    ]

    operations = [
        migrations.AlterField(
            model_name='change',
            name='rrset',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='dns_records.rrset'),
        ),
        migrations.AlterField(
            model_name='change',
            name='superseded_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='dns_records.change'),
        ),
        migrations.AlterField(
            model_name='ownername',
            name='zone',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='names', to='dns_records.zone'),
        ),
        migrations.AlterField(
            model_name='record',
            name='rrset',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='records', to='dns_records.rrset'),
        ),
        migrations.AlterField(
            model_name='rrset',
            name='ttl',
            field=models.PositiveIntegerField(verbose_name='TTL'),
        ),
        migrations.AlterField(
            model_name='rrset',
            name='zone',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rrsets', to='dns_records.zone'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(condition=models.Q(('superseded_by__isnull', False)), fields=['superseded_by'], name='change_superseded_by'),
        ),
        migrations.AddIndex(
            model_name='rrset',
            index=models.Index(fields=['name', 'type', 'id'], name='rrset_name_type'),
        ),
    ]
