"""The base of the API's serializers: JSON types as they are, no field ignored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.utils.encoders import JSONEncoder

# REST framework would take "300" and true for an integer, and 1 for a text.
_JSON_TYPES: tuple[tuple[type[Any], str], ...] = (
    (serializers.BooleanField, "boolean"),
    (serializers.IntegerField, "integer"),
    (serializers.FloatField, "number"),
    (serializers.CharField, "string"),
    (serializers.ChoiceField, "string"),
    (serializers.UUIDField, "string"),
    (serializers.DateTimeField, "string"),
)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields and values of another JSON type.

    A read-only field may be sent back as it was received, so that a client can GET,
    change and PUT: :meth:`current` says what that is.
    """

    def current(self) -> Mapping[str, Any] | None:
        """Return what a GET of the resource shows now; None if there is none.

        By default that of the serializer's ``instance``; a serializer that is made
        without one overrides this.
        """
        if self.instance is None:
            return None
        shown: Mapping[str, Any] = self.to_representation(self.instance)
        return shown

    def to_internal_value(self, data: Any) -> Any:
        """Check names and types, then let each field check its value.

        Raises:
            ValidationError: with the errors of every field.
        """
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        errors: dict[str, Any] = dict(self._own_errors(data))
        known = {key: value for key, value in data.items() if key not in errors}
        try:
            value = super().to_internal_value(known)
        except ValidationError as exc:
            # A field that was left out here for its type is not missing.
            theirs: Any = exc.detail
            raise ValidationError({**theirs, **errors}) from None
        if errors:
            raise ValidationError(errors)
        return value

    def _own_errors(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        current: Mapping[str, Any] | None = None
        for name, value in data.items():
            field = self.fields.get(name)
            if field is None:
                yield name, [ErrorDetail("There is no such field.", "unknown_field")]
            elif field.read_only:
                current = current if current is not None else self.current() or {}
                if name not in current or not _same(value, current[name]):
                    detail = "This field cannot be set; leave it out."
                    yield name, [ErrorDetail(detail, "read_only_field")]
            elif error := _type_error(field, value):
                yield name, error


def _type_error(field: serializers.Field[Any, Any, Any, Any], value: Any) -> Any:
    """Return REST framework's form of a type error; None if there is none."""
    if value is None:
        return None
    if isinstance(field, serializers.ListField):
        if not isinstance(value, list):
            return _expected("array")
        longest = field.max_length
        if longest is not None and len(value) > longest:
            # REST framework would look at each of them first.
            detail = f"Expected at most {longest} elements, not {len(value)}."
            return [ErrorDetail(detail, "max_length")]
        found = {i: _type_error(field.child, item) for i, item in enumerate(value)}
        return {i: error for i, error in found.items() if error} or None
    for kind, expected in _JSON_TYPES:
        if isinstance(field, kind):
            return None if _is_a(expected, value) else _expected(expected)
    return None


def _is_a(expected: str, value: Any) -> bool:
    if expected == "string":
        return isinstance(value, str)
    if isinstance(value, bool) or expected == "boolean":
        return isinstance(value, bool) and expected == "boolean"
    if expected == "number":
        return isinstance(value, int | float)
    # 300.0 is an integer to JSON Schema, and to JavaScript.
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _expected(expected: str) -> list[ErrorDetail]:
    article = "an" if expected[0] in "aeiou" else "a"
    detail = f"Expected {article} {expected}."
    return [ErrorDetail(detail, "invalid_type")]


def _same(sent: Any, shown: Any) -> bool:
    """Compare in JSON: what is shown may be a date or an identifier yet."""
    return bool(sent == json.loads(json.dumps(shown, cls=JSONEncoder)))
