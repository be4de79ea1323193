"""Migrations are safe under the code of the release before."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from dnsorch import schema_changes

OURS = {"dns_records", "requests_tracker", "tokens", "kafka_bridge", "dnsorch"}
NULLABLE: models.IntegerField[int | None, int | None] = models.IntegerField(null=True)
LIMIT = models.CheckConstraint(name="limit", condition=models.Q(size__lt=9))


def migration(*steps: Operation, contract: str = "") -> Migration:
    """Return a migration of an app that does these steps."""
    attributes = {"operations": list(steps), "contract": contract}
    made: Migration = type("Migration", (Migration,), attributes)("0007_test", "shop")
    return made


def add(field: "models.Field[Any, Any]") -> operations.AddField:
    """Return the step that adds a column."""
    return operations.AddField("order", "size", field)


def test_every_migration_of_ours_is_safe_or_marked() -> None:
    loader = MigrationLoader(None)
    found = {
        key: schema_changes.unsafe(migration)
        for key, migration in loader.disk_migrations.items()
        if key[0] in OURS
    }
    assert ("dns_records", "0003_reconcile") in found
    assert {key: reasons for key, reasons in found.items() if reasons} == {}


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (operations.RemoveField("order", "size"), "drops a column"),
        (operations.DeleteModel("Order"), "drops a table"),
        (operations.RenameField("order", "size", "octets"), "renames a column"),
        (operations.RenameModel("Order", "Sale"), "renames a table"),
        (operations.AlterModelTable("order", "sales"), "renames a table"),
        (operations.AddConstraint("order", LIMIT), "adds a constraint"),
        (operations.RunSQL("DROP TABLE shop_order"), "runs SQL"),
        (add(models.IntegerField()), "has to be given"),
        # Django writes the default into the rows that are there, and drops it.
        (add(models.IntegerField(default=0)), "has to be given"),
        (
            operations.AlterField("order", "size", models.IntegerField()),
            "may make a column narrower",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Operation) else value,
)
def test_what_the_old_code_does_not_survive(step: Operation, why: str) -> None:
    (reason,) = schema_changes.unsafe(migration(step))
    assert reason.startswith("shop.0007_test: ") and why in reason
    marked = migration(step, contract="nothing has used it since 0.2.0")
    assert schema_changes.unsafe(marked) == []


@pytest.mark.parametrize(
    "step",
    [
        add(NULLABLE),
        add(models.IntegerField(db_default=0)),
        operations.CreateModel("Sale", [("id", models.BigAutoField(primary_key=True))]),
        operations.AddIndex("order", models.Index(fields=["size"], name="order_size")),
        operations.AlterField("order", "size", NULLABLE),
        operations.RunPython(lambda apps, editor: None),
        operations.RemoveIndex("order", "order_size"),
        operations.RemoveConstraint("order", "limit"),
    ],
    ids=lambda step: type(step).__name__,
)
def test_what_the_old_code_does_not_notice(step: Operation) -> None:
    assert schema_changes.unsafe(migration(step)) == []


def test_a_table_that_is_new_may_have_all() -> None:
    made = operations.CreateModel(
        "Order", [("id", models.BigAutoField(primary_key=True))]
    )
    steps = [made, add(models.IntegerField()), operations.AddConstraint("order", LIMIT)]
    assert schema_changes.unsafe(migration(*steps)) == []
