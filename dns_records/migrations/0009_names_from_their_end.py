"""An index of RRsets by their names from the end: what is below a name is one range.

On PostgreSQL only. SQLite reverses text by a function of Django's, without which no
other program could write to the table; there a pass over the zone has to do.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ADD = (
    'CREATE INDEX "rrset_below" ON "dns_records_rrset" '
    '("zone_id", reverse("name") text_pattern_ops)'
)
DROP = 'DROP INDEX "rrset_below"'


def add(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(ADD)


def drop(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(DROP)


class Migration(migrations.Migration):

    dependencies = [
        ('dns_records', '0008_drift'),
    ]

    operations = [
        migrations.RunPython(add, drop),
    ]
