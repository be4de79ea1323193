"""The vectors of each type: what is taken, and what is refused with which words."""

from __future__ import annotations

import pytest

from dns_records import rdata, record_types, validation
from dns_records.providers import updates
from dns_records.tests import vectors
from dns_records.tests.vectors import Vector
from dnsorch.exceptions import DnsorchError

pytestmark = pytest.mark.embedded

ZONE = "example.test."
CONTEXT = validation.Context(ZONE)


def owner(rtype: str) -> str:
    """Return a name at which the type may stand."""
    row = record_types.lookup(rtype)
    return f"_a._tcp.{ZONE}" if row.below_apex else ZONE


def named(vector: Vector) -> str:
    """Return the id of a test."""
    return f"{vector.type} {vector.text[:40]}"


def test_there_is_a_file_for_each_type_and_none_for_another() -> None:
    files = {path.stem for path in vectors.FOLDER.glob("*.toml")}
    assert files == set(vectors.TYPES)


@pytest.mark.parametrize("rtype", vectors.TYPES)
def test_there_are_ten_of_each_kind(rtype: str) -> None:
    assert len({vector.text for vector in vectors.valid(rtype)}) >= 10
    assert len({vector.text for vector in vectors.invalid(rtype)}) >= 10


@pytest.mark.parametrize("vector", vectors.every("valid"), ids=named)
def test_a_valid_value_has_one_canonical_form(vector: Vector) -> None:
    parsed = rdata.parse(vector.type, vector.text, zone=ZONE)

    assert parsed.text == vector.wanted
    assert rdata.parse(vector.type, parsed.text, zone="other.test.") == parsed
    assert rdata.from_dnspython(parsed.value) == parsed
    assert updates.rdata(vector.type, parsed.text) == parsed.value
    name = owner(vector.type)
    found = validation.check_record(CONTEXT, name, vector.type, parsed)
    found += validation.check_rrset(CONTEXT, name, vector.type, 300, [parsed])
    assert [each for each in found if each.is_error] == []


@pytest.mark.parametrize("vector", vectors.every("invalid"), ids=named)
def test_an_invalid_value_is_refused_with_a_reason(vector: Vector) -> None:
    said: list[tuple[str, str]] = []
    try:
        parsed = rdata.parse(vector.type, vector.text, zone=ZONE)
    except DnsorchError as error:
        said.append((error.code, error.detail))
    else:
        found = validation.check_record(
            CONTEXT, owner(vector.type), vector.type, parsed
        )
        said += [(each.code, each.detail) for each in found if each.is_error]

    assert any(vector.wanted == code or vector.wanted in why for code, why in said)


@pytest.mark.parametrize("rtype", vectors.TYPES)
def test_equal_records_are_found_on_the_wire(rtype: str) -> None:
    parsed = [rdata.parse(rtype, each.text, zone=ZONE) for each in vectors.valid(rtype)]
    assert len({each.wire for each in parsed}) == len(vectors.canonical(rtype))
    assert len({each.digest for each in parsed}) == len(vectors.canonical(rtype))
