"""INSERTs of the hot paths: many rows of one model in one statement.

As Django's ``bulk_create``, whose SQL this is, for models that are as plain as ours:
one database, no ancestors, no fields that compute their values while they are saved,
no expressions for values. Each of those is looked for by Django in each value of each
row, which takes longer than PostgreSQL needs for the row. The SQL is compiled once.

There, all values of a column travel as one array (``UNNEST``), so that the text of the
statement has no length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

from django.db import connections, transaction
from django.db.models import Model
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery
from django.db.utils import DEFAULT_DB_ALIAS

M = TypeVar("M", bound=Model)

#: The attribute of a connection that has its statements.
_KEPT = "dnsorch_bulk"
#: What psycopg2 takes as our models have it, by the internal type of a field.
_AS_IT_IS = frozenset(
    {
        "BigAutoField",
        "BigIntegerField",
        "BooleanField",
        "CharField",
        "DateTimeField",
        "IntegerField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
        "SmallIntegerField",
        "TextField",
        "UUIDField",
    }
)


class Conflict(NamedTuple):
    """What is done about a row that is there already.

    It gets the values of ``update``, if it is there by ``unique``; without those names
    it is left as it is.
    """

    unique: tuple[str, ...] = ()
    update: tuple[str, ...] = ()


def insert(rows: Iterable[Model]) -> None:
    """Insert rows; keys that the database gives are set on them.

    Raises:
        DatabaseError: as ``bulk_create``.
    """
    _insert(list(rows), None)


def insert_missing(rows: Iterable[M], *unique: str) -> list[M]:
    """Insert the rows that are not there yet; return those.

    Rows are told apart by the attributes ``unique``, columns of a constraint. Whoever
    else has inserted such a row and not committed yet is waited for.

    Raises:
        DatabaseError: as ``bulk_create``.
    """
    rows = list(rows)
    read = attrgetter("pk", *unique)
    mine = {read(row)[1:]: row for row in rows}
    inserted = []
    for key, *values in _insert(rows, Conflict(), *unique):
        row = mine[tuple(values)]
        if row.pk is None:
            row.pk = key
        inserted.append(row)
    return inserted


def upsert(
    rows: Iterable[Model], *, unique: tuple[str, ...], update: tuple[str, ...]
) -> None:
    """Insert rows; those that are there by ``unique`` get the values of ``update``.

    Raises:
        DatabaseError: as ``bulk_create``.
    """
    _insert(list(rows), Conflict(unique, update))


def _insert(
    rows: Sequence[Any], conflict: Conflict | None, *returned: str
) -> list[tuple[Any, ...]]:
    """Insert rows of one model; return the key and the fields ``returned`` of each.

    Nothing is returned of rows whose key was given, unless fields are asked for.
    """
    if not rows:
        return []
    connection = connections[DEFAULT_DB_ALIAS]
    table = _table(connection, type(rows[0]), conflict, rows[0].pk is None, returned)
    size = max(1, connection.ops.bulk_batch_size(table.fields, rows))
    if len(rows) <= size:
        with transaction.mark_for_rollback_on_error(using=DEFAULT_DB_ALIAS):
            found = table.insert(rows)
    else:
        with transaction.atomic(using=DEFAULT_DB_ALIAS, savepoint=False):
            parts = (rows[i : i + size] for i in range(0, len(rows), size))
            found = [each for part in parts for each in table.insert(part)]
    if table.sets_keys and conflict is None:
        for row, (key,) in zip(rows, found, strict=True):
            row.pk = key
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return found


def _table(
    connection: Any,
    model: type[Model],
    conflict: Conflict | None,
    sets_keys: bool,
    returned: tuple[str, ...],
) -> _Table:
    """Return the statements of this kind, which are kept with the connection."""
    known: dict[Any, _Table] = vars(connection).setdefault(_KEPT, {})
    kind = (model, conflict, sets_keys, returned)
    if kind not in known:
        known[kind] = _Table(connection, *kind)
    return known[kind]


class _Table:
    """The INSERTs into a table of one kind, by the number of rows."""

    def __init__(
        self,
        connection: Any,
        model: type[Model],
        conflict: Conflict | None,
        sets_keys: bool,
        returned: tuple[str, ...],
    ) -> None:
        options = model._meta
        key: Any = options.pk
        self.connection, self.model, self.sets_keys = connection, model, sets_keys
        self.fields = [
            each
            for each in options.concrete_fields
            if not each.generated and not (sets_keys and each is key)
        ]
        names = (key.name, *returned) if sets_keys or returned else ()
        self.returned = [options.get_field(name) for name in names]
        self.conflict: dict[str, Any] = {}
        if conflict is not None:
            self.conflict = {
                "on_conflict": (
                    OnConflict.UPDATE if conflict.update else OnConflict.IGNORE
                ),
                "update_fields": [options.get_field(each) for each in conflict.update],
                "unique_fields": [options.get_field(each) for each in conflict.unique],
            }
        self.columns = [_reader(connection, each) for each in self.fields]
        self.statements: dict[int, str] = {}

    def insert(self, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Insert so many rows at once; return what is asked for of each."""
        columns = [read(rows) for read in self.columns]
        # From two rows on there is a parameter for each column.
        unnests = self.connection.vendor == "postgresql" and len(rows) > 1
        sql = self._sql(2 if unnests else len(rows))
        if not unnests:
            columns = [value for row in zip(*columns, strict=True) for value in row]
        with self.connection.cursor() as cursor:
            cursor.execute(sql, columns)
            return list(cursor.fetchall()) if self.returned else []

    def _sql(self, count: int) -> str:
        """Return the statement for so many rows, as Django compiles it."""
        if count not in self.statements:
            query = InsertQuery(self.model, **self.conflict)
            blank: Any = SimpleNamespace(
                **dict.fromkeys(f.attname for f in self.fields)
            )
            query.insert_values(self.fields, [blank] * count, raw=True)
            compiler = query.get_compiler(connection=self.connection)
            compiler.returning_fields = self.returned
            ((self.statements[count], _),) = compiler.as_sql()
        return self.statements[count]


def _reader(connection: Any, field: Any) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what reads the values of a field from rows, as the driver takes them."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        raise TypeError(f"{field} computes its value while it is saved")
    target = field.target_field if field.is_relation else field
    get = partial(_key, field) if field.is_relation else attrgetter(field.attname)
    if connection.vendor == "postgresql" and target.get_internal_type() in _AS_IT_IS:
        return lambda rows: [*map(get, rows)]
    prepare = target.get_db_prep_save
    return lambda rows: [prepare(get(row), connection) for row in rows]


def _key(field: Any, row: Any) -> Any:
    """Return the key of a related row, which may have got it since it was related."""
    key = getattr(row, field.attname)
    if key is None:
        related = field.get_cached_value(row, default=None)
        if related is not None:
            key = related.pk
            setattr(row, field.attname, key)
    return key
