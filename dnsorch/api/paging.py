"""Lists in pages: by cursor, at a cost that does not grow with the page.

A cursor names the place of a row in the order, not its number, so that rows that come
and go between two pages make none appear twice or get lost.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from dnsorch.exceptions import Invalid

if TYPE_CHECKING:
    # REST framework's views import this module while they are imported themselves.
    from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


class InvalidLimit(Invalid):
    """The limit of a page is a whole number from 1 to 1000."""

    code = "invalid_limit"


class InvalidCursor(Invalid):
    """The cursor is not one that this list gave."""

    code = "invalid_cursor"


@dataclass(frozen=True)
class Cursor:
    """A place in a list: after, or before, the row with these ordering values.

    No values: the list's beginning, or its end.
    """

    values: tuple[str, ...] | None
    backward: bool = False

    def encode(self, ordering: Sequence[str]) -> str:
        """Return the opaque text for a URL; it is good for this ordering only."""
        data = [",".join(ordering), int(self.backward), self.values]
        raw = json.dumps(data, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, ordering: Sequence[str]) -> Cursor:
        """Return the cursor of an opaque text.

        Raises:
            InvalidCursor: it is of another list, or not a cursor at all.
        """
        try:
            raw = base64.b64decode(
                text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True
            )
            order, backward, values = json.loads(raw)
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise InvalidCursor() from None
        if order != ",".join(ordering) or backward not in (0, 1):
            raise InvalidCursor()
        if values is None:
            return cls(None, bool(backward))
        if not isinstance(values, list) or len(values) != len(ordering):
            raise InvalidCursor()
        if not all(isinstance(value, str) and _is_text(value) for value in values):
            raise InvalidCursor()
        return cls(tuple(values), bool(backward))


class CursorPagination(BasePagination):
    """Pages a queryset that is ordered by columns unique together and never null.

    ``-id`` will do, and so will ``zone__name, name, type``. Only names of columns,
    with or without a leading minus, can be in the ordering.
    """

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any]:
        """Return the rows of the page that ``request`` asks for.

        Raises:
            InvalidLimit: ``limit`` is not a whole number from 1 to 1000.
            InvalidCursor: ``cursor`` is not one that this list gave.
        """
        assert isinstance(queryset, QuerySet), "only a queryset has a keyset"
        self.url = request.build_absolute_uri()
        self.ordering = _ordering(queryset)
        limit = parse_limit(request.query_params.get("limit"))
        text = request.query_params.get("cursor")
        self.cursor = (
            Cursor(None) if text is None else Cursor.decode(text, self.ordering)
        )
        rows = self._rows(queryset, limit + 1)
        self.has_more = len(rows) > limit
        page = rows[:limit]
        if self.cursor.backward:
            page.reverse()
        self.page = page
        return page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the envelope of the page."""
        return Response(
            {
                "results": data,
                "next": self.next_url(),
                "previous": self.previous_url(),
            }
        )

    def next_url(self) -> str | None:
        """Return the absolute URL of the next page; None on the last."""
        if not self.page:
            # Nothing is before the place we came from, so it starts the list.
            return self._url(None) if self.cursor.backward else None
        if self.cursor.backward or self.has_more:
            return self._url(Cursor(self._place(self.page[-1])))
        return None

    def previous_url(self) -> str | None:
        """Return the absolute URL of the page before; None on the first."""
        if self.cursor.backward:
            more = self.has_more
        else:
            more = self.cursor.values is not None
        if not more:
            return None
        place = self._place(self.page[0]) if self.page else None
        return self._url(Cursor(place, backward=True))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the OpenAPI schema of the envelope."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI form of ``limit`` and ``cursor``."""
        limit = {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        }
        return [
            {
                "name": "limit",
                "in": "query",
                "description": "How many results at most.",
                "schema": limit,
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "Where to go on: from `next` or `previous`.",
                "schema": {"type": "string"},
            },
        ]

    def _rows(self, queryset: QuerySet[Any], count: int) -> list[Any]:
        ordering = self.ordering
        if self.cursor.backward:
            ordering = [
                name[1:] if name.startswith("-") else f"-{name}" for name in ordering
            ]
        if self.cursor.values is not None:
            values = _to_python(queryset.model, self.ordering, self.cursor.values)
            queryset = queryset.filter(_beyond(ordering, values))
        return list(queryset.order_by(*ordering)[:count])

    def _place(self, row: Model) -> tuple[str, ...]:
        return tuple(_value(row, name.removeprefix("-")) for name in self.ordering)

    def _url(self, cursor: Cursor | None) -> str:
        if cursor is None:
            return remove_query_param(self.url, "cursor")
        return replace_query_param(self.url, "cursor", cursor.encode(self.ordering))


def parse_limit(text: str | None) -> int:
    """Return the limit that the query parameter ``text`` sets.

    Raises:
        InvalidLimit: it is not a whole number from 1 to 1000.
    """
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidLimit()
    limit = int(text)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidLimit()
    return limit


def _ordering(queryset: QuerySet[Any]) -> list[str]:
    ordering = queryset.query.order_by or queryset.model._meta.ordering
    names = [name for name in ordering if isinstance(name, str)]
    assert names and len(names) == len(ordering), "page only what columns order"
    return names


def _beyond(ordering: Sequence[str], values: Sequence[Any]) -> Q:
    """Return the condition for the rows beyond ``values`` in ``ordering``."""
    condition, equal = Q(), Q()
    for name, value in zip(ordering, values, strict=True):
        column, compare = name.removeprefix("-"), "lt" if name[0] == "-" else "gt"
        condition |= equal & Q(**{f"{column}__{compare}": value})
        equal &= Q(**{column: value})
    if len(ordering) == 1:
        return condition
    first, bound = ordering[0], "lte" if ordering[0][0] == "-" else "gte"
    # Implied by the rest, but this is what lets a database start within the index.
    return Q(**{f"{first.removeprefix('-')}__{bound}": values[0]}) & condition


def _field(model: type[Model], path: str) -> Field[Any, Any]:
    *parents, name = path.split(LOOKUP_SEP)
    for parent in parents:
        related = model._meta.get_field(parent).related_model
        assert isinstance(related, type), f"{parent} is no relation"
        model = related
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    assert isinstance(field, Field), f"{path} is no column"
    return field


def _value(row: Model, path: str) -> str:
    field = _field(type(row), path)
    for parent in path.split(LOOKUP_SEP)[:-1]:
        row = getattr(row, parent)
    return field.value_to_string(row)


def _to_python(
    model: type[Model], ordering: Sequence[str], values: Sequence[str]
) -> list[Any]:
    try:
        return [
            _field(model, name.removeprefix("-")).to_python(value)
            for name, value in zip(ordering, values, strict=True)
        ]
    except ValidationError:
        raise InvalidCursor() from None


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
