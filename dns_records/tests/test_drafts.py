"""Drafts: from what a client wrote to canonical operations."""

from __future__ import annotations

from typing import Any

import pytest

from dns_records import drafts
from dns_records.drafts import Draft, DuplicateRecord, ExpectedDraft
from dns_records.images import Key
from dns_records.plan import Expectation, Operation
from dnsorch.exceptions import Invalid, NameNotAbsolute, ReservedName

ZONE = "example.test."


def draft(**fields: Any) -> Draft:
    """Return a valid draft but for ``fields``."""
    return Draft(
        **{
            "action": "add",
            "name": "www",
            "type": "A",
            "records": ("192.0.2.1",),
            "pointer": "/changes/0",
            **fields,
        }
    )


def refusal(*given: Draft) -> Invalid:
    """Return the error of these drafts."""
    with pytest.raises(Invalid) as caught:
        drafts.read(given, ZONE)
    return caught.value


def test_a_draft_becomes_canonical() -> None:
    written = draft(
        action="create",
        name="WWW",
        type="mx",
        ttl=60,
        records=("10 MAIL.example.test.",),
        expected=ExpectedDraft(("20 Mail.Example.TEST.",), 300),
        strict=True,
    )
    assert drafts.read([written], ZONE) == [
        Operation(
            action="create",
            key=Key("www.example.test.", "MX"),
            ttl=60,
            records=("10 mail.example.test.",),
            expected=Expectation(("20 mail.example.test.",), 300),
            strict=True,
            pointer="/changes/0",
        )
    ]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("@", "example.test."),
        ("example.test", "example.test."),
        ("www.Example.Test", "www.example.test."),
        ("www.other.test", "www.other.test.example.test."),
        ("bücher", "xn--bcher-kva.example.test."),
    ],
)
def test_names_are_read_relative_to_the_zone(name: str, canonical: str) -> None:
    (operation,) = drafts.read([draft(name=name)], ZONE)
    assert operation.key.name == canonical


def test_absent_is_an_expectation_of_its_own() -> None:
    (absent,) = drafts.read([draft(expected=ExpectedDraft(None))], ZONE)
    (nothing,) = drafts.read([draft()], ZONE)
    assert absent.expected == Expectation(None)
    assert nothing.expected is None


@pytest.mark.parametrize("action", ["create", "replace", "put", "add", "remove"])
def test_an_action_that_needs_records_says_so(action: str) -> None:
    error = refusal(draft(action=action, records=()))
    assert [(r.pointer, r.detail) for r in error.reasons] == [
        ("/changes/0/records", f"{action} needs at least one record")
    ]


def test_delete_takes_no_records() -> None:
    error = refusal(draft(action="delete"))
    assert [(r.pointer, r.detail) for r in error.reasons] == [
        ("/changes/0/records", "delete takes no records")
    ]


@pytest.mark.parametrize(
    ("fields", "kind", "pointer", "code"),
    [
        ({"name": "a..b"}, Invalid, "/name", "invalid_name"),
        ({"name": "_dnsorch"}, ReservedName, "/name", "reserved_name"),
        ({"type": "NOPE"}, Invalid, "/type", "unsupported_type"),
        ({"records": ("192.0.2.1", "x")}, Invalid, "/records/1", "invalid_rdata"),
        (
            {"type": "CNAME", "records": ("target",)},
            NameNotAbsolute,
            "/records/0",
            "name_not_absolute",
        ),
        (
            {"type": "AAAA", "records": ("2001:db8::1", "2001:DB8:0::1")},
            DuplicateRecord,
            "/records/1",
            "duplicate_record",
        ),
        (
            {"expected": ExpectedDraft(("y",))},
            Invalid,
            "/expected/records/0",
            "invalid_rdata",
        ),
        ({"records": ("x",), "value_at": "/value"}, Invalid, "/value", "invalid_rdata"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    fields: dict[str, Any], kind: type[Invalid], pointer: str, code: str
) -> None:
    error = refusal(draft(**fields))
    assert isinstance(error, kind)
    assert [(r.pointer, r.code) for r in error.reasons] == [
        ("/changes/0" + pointer, code)
    ]


def test_all_mistakes_are_told_at_once() -> None:
    error = refusal(
        draft(name="a..b", type="NOPE", records=()),
        draft(records=("x", "192.0.2.1", "y"), pointer="/changes/1"),
    )
    assert type(error) is Invalid
    assert [reason.pointer for reason in error.reasons] == [
        "/changes/0/name",
        "/changes/0/type",
        "/changes/0/records",
        "/changes/1/records/0",
        "/changes/1/records/2",
    ]
