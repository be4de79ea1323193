"""Statements of the hot paths: compiled once, run often.

Django compiles a queryset anew whenever it is used, which takes longer than
PostgreSQL needs for most of our statements. Here a function says once what a
statement is, as a queryset like any other, and is then called with values::

    @prepared.rows
    def named(zone: int, names: Collection[str]) -> QuerySet[RRset]:
        return RRset.objects.filter(zone=zone, name__in=names)

    for rrset in named(7, ["www.example.test."]): ...

The function runs once for each shape of its arguments, with parameters in place of
the values; what comes back is its SQL and how Django reads its rows. So it may hand
an argument on to the queryset and look at it in no other way:

* a positional argument is a value, or a collection of values for ``__in``; it is not
  None where it is compared, which SQL says in other words;
* a keyword-only argument is a part of the statement, which is compiled for each of
  its values: there are few of them, and they can be hashed;
* the values of a relation are looked for by its key: ``rrset__pk__in``.

The shape of a collection is its length, rounded up to a power of two: its last value
is said again. There are no statements kept by the database server, so that poolers
(pgbouncer) may stand in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections, transaction
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql import UpdateQuery
from django.db.transaction import TransactionManagementError
from django.db.utils import DEFAULT_DB_ALIAS

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Model)

#: The attribute of a connection that has its statements.
_KEPT = "dnsorch_prepared"

#: What a function of :func:`update` returns: which rows, and their new values.
Update = tuple["QuerySet[Any, Any]", dict[str, Any]]
#: The same for :func:`returning`, of a model.
UpdateOf = tuple["QuerySet[M]", dict[str, Any]]


class Slot(NamedTuple):
    """The place of an argument in a call, or of an item in an argument."""

    position: int
    item: int | None

    def value(self, arguments: Sequence[Any]) -> Any:
        """Return what was given there."""
        argument = arguments[self.position]
        if self.item is None:
            return argument
        return argument[min(self.item, len(argument) - 1)]


class Parameter(Expression):
    """Stands for an argument of a statement, or for an item of one."""

    def __init__(self, position: int, item: int | None = None) -> None:
        """``item`` is its place in an argument that is a collection."""
        super().__init__()
        self.slot = Slot(position, item)

    @property
    def hex(self) -> Parameter:
        """Itself: databases without UUIDs are given this attribute of one."""
        return self

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return a placeholder, and what it stands for."""
        return "%s", [self.slot]


@dataclass(frozen=True)
class Json:
    """A value of a JSON field, as an argument of a statement."""

    value: Any


@dataclass(frozen=True)
class Compiled:
    """A statement of one shape, and how its rows are read.

    What Django compiled it from is not kept: that is much for hundreds of values.
    """

    sql: str
    parameters: Sequence[Any]
    read: Callable[[Iterable[Any]], Iterable[Any]] = iter
    locks: bool = False

    def run(self, connection: Any, arguments: Sequence[Any]) -> Any:
        """Send it with these arguments; return the cursor, for the caller to close."""
        values = [
            _adapt(connection, each.value(arguments)) if type(each) is Slot else each
            for each in self.parameters
        ]
        cursor = connection.cursor()
        try:
            cursor.execute(self.sql, values)
        except Exception:
            cursor.close()
            raise
        return cursor


def _adapt(connection: Any, value: Any) -> Any:
    """Return a value as the database driver takes it."""
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, Json):
        return connection.ops.adapt_json_value(value.value, None)
    return value


class _Statement(Generic[P]):
    """A function that says what a statement is.

    Its SQL is kept with the connection, which belongs to one thread.
    """

    def __init__(self, make: Callable[P, Any]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def _compiled(
        self, connection: Any, arguments: Sequence[Any], fixed: dict[str, Any]
    ) -> Compiled | None:
        """Return the statement of this shape; None if no row can be meant."""
        shape = [
            _room(len(each)) if isinstance(each, list) else None for each in arguments
        ]
        key = (self, *shape, *fixed.items())
        known: dict[Hashable, Compiled | None]
        known = vars(connection).setdefault(_KEPT, {})
        if key in known:
            return known[key]
        made = self.make(*map(_parameters, range(len(shape)), shape), **fixed)
        try:
            found = self._compile(connection, made)
        except EmptyResultSet:
            found = None
        known[key] = found
        return found

    def _compile(self, connection: Any, made: Any) -> Compiled:
        raise NotImplementedError


class Rows(_Statement[P], Generic[P, R]):
    """A SELECT: of models, of tuples, or of single values."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Return the rows, read as the queryset would read them.

        Raises:
            TransactionManagementError: they are to be locked, outside a transaction.
        """
        connection, arguments = connections[DEFAULT_DB_ALIAS], _given(args)
        compiled = self._compiled(connection, arguments, kwargs)
        if compiled is None:
            return []
        if compiled.locks and not connection.in_atomic_block:
            raise TransactionManagementError("rows are locked in a transaction only")
        with compiled.run(connection, arguments) as cursor:
            fetched = cursor.fetchall()
        return list(compiled.read(fetched))

    def _compile(self, connection: Any, made: QuerySet[Any, Any]) -> Compiled:
        compiler = made.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        columns = [each[0] for each in compiler.select[: compiler.col_count]]
        read = partial(
            _read,
            made._iterable_class,
            (compiler.select, compiler.klass_info, compiler.annotation_col_map),
            partial(_convert, connection, compiler.get_converters(columns)),
        )
        return Compiled(sql, parameters, read, made.query.select_for_update)


class _Changing(_Statement[P]):
    """A statement that writes: an error spoils the transaction it is in."""

    def _run(self, args: Sequence[Any], fixed: dict[str, Any]) -> Any:
        """Send it; return it and its open cursor, None where no row can be meant."""
        connection, arguments = connections[DEFAULT_DB_ALIAS], _given(args)
        compiled = self._compiled(connection, arguments, fixed)
        if compiled is None:
            return None
        with transaction.mark_for_rollback_on_error(using=DEFAULT_DB_ALIAS):
            return compiled, compiled.run(connection, arguments)

    def _update(self, connection: Any, made: Update) -> tuple[Any, str, Sequence[Any]]:
        rows, values = made
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(values)
        compiler = query.get_compiler(connection=connection)
        return compiler, *compiler.as_sql()


class Updates(_Changing[P]):
    """An UPDATE."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Return how many rows were changed."""
        sent = self._run(args, kwargs)
        if sent is None:
            return 0
        with sent[1] as cursor:
            return int(cursor.rowcount)

    def _compile(self, connection: Any, made: Update) -> Compiled:
        _, sql, parameters = self._update(connection, made)
        return Compiled(sql, parameters)


class Returning(_Changing[P], Generic[P, M]):
    """An UPDATE with RETURNING."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[M]:
        """Return the rows that were changed, as they are now."""
        sent = self._run(args, kwargs)
        if sent is None:
            return []
        compiled, opened = sent
        with opened as cursor:
            return list(compiled.read(cursor.fetchall()))

    def _compile(self, connection: Any, made: Update) -> Compiled:
        compiler, sql, parameters = self._update(connection, made)
        model: Any = made[0].model
        fields = model._meta.concrete_fields
        columns = [each.get_col(model._meta.db_table) for each in fields]
        listed = ", ".join(compiler.compile(each)[0] for each in columns)
        names = [each.attname for each in fields]
        convert = partial(_convert, connection, compiler.get_converters(columns))

        def read(rows: Iterable[Any]) -> Iterable[Any]:
            return (
                model.from_db(DEFAULT_DB_ALIAS, names, row) for row in convert(rows)
            )

        return Compiled(f"{sql} RETURNING {listed}", parameters, read)


def rows(make: Callable[P, QuerySet[Any, R]]) -> Rows[P, R]:
    """Have a function that returns a queryset return its rows, by prepared SQL."""
    return Rows(make)


def update(make: Callable[P, Update]) -> Updates[P]:
    """Have a function that says which rows get which values update them."""
    return Updates(make)


def returning(make: Callable[P, UpdateOf[M]]) -> Returning[P, M]:
    """Have a function that says which rows get which values return them, updated."""
    return Returning(make)


def _read(
    iterable: Any,
    columns: tuple[Any, Any, Any],
    convert: Callable[[Iterable[Any]], Iterable[Any]],
    rows: Iterable[Any],
) -> Iterable[Any]:
    """Return rows as an iterable of Django makes them of its queryset."""
    return iterable(_Fetched(*columns, convert(rows)))  # type: ignore[no-any-return]


def _convert(
    connection: Any, converters: dict[int, Any], rows: Iterable[Any]
) -> Iterable[Any]:
    """Return rows with the values that models have, of what the driver gives."""
    if not converters:
        return rows
    return _converted(connection, converters, rows)


def _converted(
    connection: Any, converters: dict[int, Any], rows: Iterable[Any]
) -> Iterator[Any]:
    for row in rows:
        values = list(row)
        for position, (functions, expression) in converters.items():
            for function in functions:
                value = function(values[position], expression, connection)
                values[position] = value
        yield tuple(values)


@dataclass
class _Fetched:
    """Rows that were fetched, as the iterables of Django look at a queryset.

    It is its own query and the compiler of that, too: all they want of those is here.
    """

    select: Any
    klass_info: Any
    annotation_col_map: Any
    rows: Iterable[Any]
    db: str = DEFAULT_DB_ALIAS
    _known_related_objects: dict[Any, Any] = field(default_factory=dict)

    @property
    def query(self) -> _Fetched:
        return self

    def get_compiler(self, using: str) -> _Fetched:
        return self

    def execute_sql(self, **how: Any) -> Iterable[Any]:
        return self.rows

    def results_iter(self, results: Any = None, **how: Any) -> Iterator[Any]:
        return iter(self.rows)


def _given(args: Sequence[Any]) -> list[Any]:
    """Return arguments with collections as lists."""
    return [
        (
            list(each)
            if isinstance(each, Collection) and not isinstance(each, (str, bytes))
            else each
        )
        for each in args
    ]


def _room(length: int) -> int:
    """Return the power of two that is not less, and 0 for 0."""
    return 1 << (length - 1).bit_length() if length else 0


def _parameters(position: int, room: int | None) -> Any:
    """Return what stands for an argument: a parameter, or one for each item."""
    if room is None:
        return Parameter(position)
    return [Parameter(position, item) for item in range(room)]
