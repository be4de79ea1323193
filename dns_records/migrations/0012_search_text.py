"""Indexes of trigrams: records that hold a text anywhere in their names or rdata.

On PostgreSQL only, where its own extension pg_trgm may be made; elsewhere a search is a
pass over the records. Both ways it finds the same.
"""

from django.db import DatabaseError, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
ADD = (
    # The expressions are those of Django's lookup icontains.
    'CREATE INDEX "rrset_name_text" ON "dns_records_rrset" '
    'USING gin (UPPER("name"::text) gin_trgm_ops)',
    'CREATE INDEX "record_rdata_text" ON "dns_records_record" '
    'USING gin (UPPER("rdata"::text) gin_trgm_ops)',
)
DROP = (
    'DROP INDEX IF EXISTS "rrset_name_text"',
    'DROP INDEX IF EXISTS "record_rdata_text"',
)


def add(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(editor.connection.alias):
            editor.execute(EXTENSION)
    except DatabaseError as error:
        # It is not installed, or who migrates may not make it.
        print(f"\n    searches stay slow: {error}")
        return
    for statement in ADD:
        editor.execute(statement)


def drop(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        for statement in DROP:
            editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('dns_records', '0011_scheduled_access'),
    ]

    operations = [
        migrations.RunPython(add, drop),
    ]
