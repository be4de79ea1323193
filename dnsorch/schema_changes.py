"""Which steps of a migration the code of the release before survives.

While a release is rolled out, old processes work on the new schema. So a migration may
expand (what is new may be left out by who does not know it) and fill; what takes
something away is a *contract* step, for the release after. Such a migration says so:
``contract = "why nothing uses it any more"`` as an attribute of its class.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import models
from django.db.migrations import Migration
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AlterField,
    AlterModelTable,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

TAKES_AWAY: dict[type[Operation], str] = {
    RemoveField: "drops a column that the old code still reads and writes",
    DeleteModel: "drops a table that the old code still uses",
    RenameField: "renames a column: add the new one, copy, drop the old one later",
    RenameModel: "renames a table: add the new one, copy, drop the old one later",
    AlterModelTable: "renames a table: add the new one, copy, drop the old one later",
}
NARROWS: dict[type[Operation], str] = {
    AddConstraint: "adds a constraint that the old code does not know",
    AlterUniqueTogether: "adds a constraint that the old code does not know",
}
CANNOT_BE_SEEN: dict[type[Operation], str] = {
    RunSQL: "runs SQL that this check cannot read",
    SeparateDatabaseAndState: "does to the database what this check cannot read",
}


def unsafe(migration: Migration) -> list[str]:
    """Return what the old code would not survive, none for a marked contract step."""
    if getattr(migration, "contract", ""):
        return []
    made = {
        operation.name_lower
        for operation in migration.operations
        if isinstance(operation, CreateModel)
    }
    return [
        f"{migration.app_label}.{migration.name}: {operation.describe()}: {why}"
        for operation in migration.operations
        for why in _why(operation)
        # A table that the same migration makes is nobody's yet.
        if getattr(operation, "model_name_lower", None) not in made
    ]


def _why(operation: Operation) -> Iterator[str]:
    for reasons in (TAKES_AWAY, NARROWS, CANNOT_BE_SEEN):
        for kind, why in reasons.items():
            if isinstance(operation, kind):
                yield why
    if isinstance(operation, AddField) and _must_be_given(operation.field):
        yield (
            "adds a column that has to be given, which the old code does not: allow "
            "null, or set db_default (Django drops a plain default from the table)"
        )
    if isinstance(operation, AlterField) and _must_be_given(operation.field):
        yield (
            "may make a column narrower, or one that has to be given: add a new one, "
            "or mark the migration once the old code is gone"
        )


def _must_be_given(field: models.Field) -> bool:  # type: ignore[type-arg]
    if field.many_to_many or field.null or field.primary_key:
        return False
    return getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED
