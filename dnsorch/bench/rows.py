"""The rows that one request leaves, as a floor writes them again under other names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: The tables in the order in which they refer to each other, and what to find them by.
TABLES = (
    ("requests_tracker_request", "id = %(id)s", ""),
    ("requests_tracker_idempotencykey", "request_id = %(id)s", ""),
    ("dns_records_ownername", "id IN ({changes})", "owner_id"),
    ("dns_records_rrset", "id IN ({changes})", "rrset_id"),
    ("dns_records_record", "rrset_id IN ({changes})", "rrset_id"),
    ("dns_records_change", "request_id = %(id)s", ""),
    ("requests_tracker_requestevent", "request_id = %(id)s", ""),
    ("requests_tracker_outboxevent", "request_id = %(id)s", ""),
)
_CHANGES = "SELECT {} FROM dns_records_change WHERE request_id = %(id)s"
_COLUMNS = (
    "SELECT column_name, udt_name FROM information_schema.columns "
    "WHERE table_name = %s AND table_schema = 'public' ORDER BY ordinal_position"
)
#: A number of at most so many digits makes a row of its own.
DIGITS = 12
_UUID = ("01900000-0000-7000-8000-", DIGITS, "")


class Cell(NamedTuple):
    """A value: the sample's, or one that is made of the row's number.

    Then it is ``prefix``, the number in ``width`` digits, ``suffix``.
    """

    column: str
    type: str
    value: str | None
    made: tuple[str, int, str] | None = None

    def text(self, number: int) -> str | None:
        """Return the value of row ``number``."""
        if self.made is None:
            return self.value
        prefix, width, suffix = self.made
        return f"{prefix}{number:0{width}d}{suffix}"

    def sql(self, number: str) -> str:
        """Return the value as an expression; ``number`` is one itself."""
        if self.made is None:
            return (
                "NULL" if self.value is None else f"{quoted(self.value)}::{self.type}"
            )
        prefix, width, suffix = self.made
        digits = f"({number})::text"
        if width:
            digits = f"lpad({digits}, {width}, '0')"
        return f"({quoted(prefix)} || {digits} || {quoted(suffix)})::{self.type}"


def quoted(text: str) -> str:
    """Return an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass
class Template:
    """All rows of one request, and what the API answered."""

    answer: Any
    rows: list[tuple[str, list[Cell]]] = field(default_factory=list)

    def statements(self) -> list[str]:
        """Return one INSERT for each table; ``{n}`` stands for the number."""
        found: dict[str, tuple[str, list[str]]] = {}
        for table, cells in self.rows:
            columns = ", ".join(f'"{cell.column}"' for cell in cells)
            begin = f"INSERT INTO {table} ({columns}) VALUES "
            values = ", ".join(cell.sql("{n}") for cell in cells)
            found.setdefault(table, (begin, []))[1].append(f"({values})")
        return [begin + ", ".join(values) for begin, values in found.values()]

    def copies(self, first: int, count: int) -> Iterator[tuple[str, io.StringIO]]:
        """Yield each table's COPY statement and the text of ``count`` requests."""
        tables: dict[str, list[list[Cell]]] = {}
        for table, cells in self.rows:
            tables.setdefault(table, []).append(cells)
        for table, samples in tables.items():
            columns = ", ".join(f'"{cell.column}"' for cell in samples[0])
            lines = (
                "\t".join(_copied(cell.text(number)) for cell in cells)
                for number in range(first, first + count)
                for cells in samples
            )
            yield f"COPY {table} ({columns}) FROM STDIN", io.StringIO(
                "\n".join(lines) + "\n"
            )


def read(cursor: Any, request_id: str, mark: str, answer: Any) -> Template:
    """Return the template of the request that is in the database.

    Names of its copies begin with ``mark``.
    """
    template = Template(answer)
    for table, where, column in TABLES:
        where = where.format(changes=_CHANGES.format(column))
        cursor.execute(_COLUMNS, [table])
        columns = cursor.fetchall()
        chosen = ", ".join(f'"{name}"::text' for name, _ in columns)
        cursor.execute(
            f"SELECT {chosen} FROM {table} WHERE {where} ORDER BY id",
            {"id": request_id},
        )
        for index, row in enumerate(cursor.fetchall()):
            cells = [
                Cell(name, kind, value, made(table, name, kind, value, index, mark))
                for (name, kind), value in zip(columns, row, strict=True)
            ]
            template.rows.append((table, cells))
    return template


def made(
    table: str, column: str, kind: str, value: str | None, index: int, mark: str
) -> tuple[str, int, str] | None:
    """Return how a column differs from copy to copy; None if it does not."""
    if not value:
        return None
    if column == "id":
        if kind == "uuid":
            return _UUID
        # Of events one request has several.
        return ("", 0, str(index) if table.endswith("event") else "")
    if column in ("request_id", "owner_id", "rrset_id"):
        return _UUID if kind == "uuid" else ("", 0, "")
    if column == "digest":
        return (f"{index:04d}", 60, "")
    if column in ("key", "idempotency_key", "correlation_id"):
        return (mark, 0, "")
    if column == "name":
        return (mark, 0, value[value.index(".") :])
    return None


def _copied(text: str | None) -> str:
    if text is None:
        return r"\N"
    for char, escaped in (("\\", r"\\"), ("\t", r"\t"), ("\n", r"\n"), ("\r", r"\r")):
        text = text.replace(char, escaped)
    return text
