"""Strict serializers: names and JSON types."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework import serializers

from dnsorch.api.errors import reasons
from dnsorch.api.serializers import StrictSerializer
from dnsorch.tests.api_urls import Body, Item


class Kinds(StrictSerializer):
    """One field of each kind."""

    text = serializers.CharField(required=False, allow_null=True)
    whole = serializers.IntegerField(required=False)
    number = serializers.FloatField(required=False)
    flag = serializers.BooleanField(required=False)
    choice = serializers.ChoiceField(choices=["a", "1"], required=False)
    uid = serializers.UUIDField(required=False)
    at = serializers.DateTimeField(required=False)
    texts = serializers.ListField(child=serializers.CharField(), required=False)
    grid = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), required=False
    )


def found(serializer: StrictSerializer) -> list[tuple[str, str]]:
    """Return where and why a body is refused."""
    assert not serializer.is_valid()
    return [(reason.pointer, reason.code) for reason in reasons(serializer.errors)]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "300", "whole": 300, "number": 1, "flag": False},
        {"text": None, "whole": 300.0, "number": 1.5, "flag": True},
        {"choice": "1", "texts": ["a"], "grid": [[1], []]},
        {"uid": "019ab000-0000-7000-8000-000000000000", "at": "2026-11-22T12:00:00Z"},
    ],
)
def test_values_of_the_right_type_are_taken(data: dict[str, Any]) -> None:
    assert Kinds(data=data).is_valid()


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"text": 300}, "/text"),
        ({"text": True}, "/text"),
        ({"text": ["a"]}, "/text"),
        ({"whole": "300"}, "/whole"),
        ({"whole": True}, "/whole"),
        ({"whole": 300.5}, "/whole"),
        ({"whole": [1]}, "/whole"),
        ({"number": "1.5"}, "/number"),
        ({"number": False}, "/number"),
        ({"flag": 1}, "/flag"),
        ({"flag": "true"}, "/flag"),
        ({"choice": 1}, "/choice"),
        ({"uid": 1}, "/uid"),
        ({"at": 1}, "/at"),
        ({"texts": "abc"}, "/texts"),
        ({"texts": {"0": "a"}}, "/texts"),
        ({"texts": ["a", 1]}, "/texts/1"),
        ({"grid": [[1], [2, "3"]]}, "/grid/1/1"),
    ],
)
def test_values_of_another_type_are_not_converted(
    data: dict[str, Any], pointer: str
) -> None:
    assert found(Kinds(data=data)) == [(pointer, "invalid_type")]


def test_every_fault_is_reported_at_once() -> None:
    body = {
        "items": [
            {"name": "x"},
            {"ttl": "1", "nmae": 1},
            {"name": "x" * 11, "ttl": -1},
        ],
        "colour/x": "red",
        "id": "1",
    }
    assert sorted(found(Body(data=body))) == [
        ("/colour~1x", "unknown_field"),
        ("/id", "read_only_field"),
        ("/items/1/name", "required"),
        ("/items/1/nmae", "unknown_field"),
        ("/items/1/ttl", "invalid_type"),
        ("/items/2/name", "max_length"),
        ("/items/2/ttl", "min_value"),
    ]


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    ((pointer, code),) = found(Body(data=body))
    assert (pointer, code) == ("", "null" if body is None else "invalid")


class Shown(StrictSerializer):
    """A resource with a part that its clients cannot set."""

    id = serializers.UUIDField(read_only=True)
    links = serializers.DictField(read_only=True)
    name = serializers.CharField()


class WithHook(Shown):
    """A serializer that is made without an instance."""

    def current(self) -> Mapping[str, Any]:
        """Return what a GET shows, dates and identifiers not yet in JSON."""
        return {"id": ID, "links": {"self": "/x"}, "name": "before"}


ID = uuid.UUID("019ab000-0000-7000-8000-000000000000")
SHOWN = {"id": str(ID), "links": {"self": "/x"}}


@pytest.mark.parametrize(
    "serializer",
    [
        Shown({"id": ID, "links": {"self": "/x"}, "name": "before"}),
        WithHook(),
    ],
    ids=["instance", "hook"],
)
def test_read_only_fields_may_come_back_unchanged(serializer: StrictSerializer) -> None:
    def again(**data: Any) -> StrictSerializer:
        made: StrictSerializer = type(serializer)(serializer.instance, data=data)
        return made

    same = again(**SHOWN, name="after")
    assert same.is_valid()
    assert same.validated_data == {"name": "after"}
    changed = again(id=str(uuid.UUID(int=7)), links={}, name="after")
    assert found(changed) == [("/id", "read_only_field"), ("/links", "read_only_field")]


def test_read_only_fields_of_what_is_not_there_yet_are_refused() -> None:
    assert found(Shown(data={**SHOWN, "name": "x"})) == [
        ("/id", "read_only_field"),
        ("/links", "read_only_field"),
    ]


def test_a_list_of_objects_is_as_strict() -> None:
    many = Item(data=[{"name": "x"}, {"name": 1}], many=True)
    assert not many.is_valid()
    assert [(r.pointer, r.code) for r in reasons(many.errors)] == [
        ("/1/name", "invalid_type")
    ]
