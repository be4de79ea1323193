"""Plans: what a change set does to what is there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from dns_records import images, plan
from dns_records.images import Image, Key
from dns_records.plan import Expectation, Operation, Plan, RecordNotFound
from dns_records.validation import Context
from dnsorch.exceptions import (
    CNAMEConflict,
    DnsorchError,
    Invalid,
    PreconditionFailed,
    RecordExists,
    RRsetExists,
    RRsetNotFound,
)

ZONE = "example.test."
WWW = Key("www.example.test.", "A")
ALIAS = Key("www.example.test.", "CNAME")
ONE, TWO, THREE = "192.0.2.1", "192.0.2.2", "192.0.2.3"
TARGET = "target.example.test."
DEFAULT_TTL = 300

State = Mapping[Key, Image | None]


def op(action: str, *records: str, **fields: Any) -> Operation:
    """Return an operation on the A RRset of www, unless ``key`` says otherwise."""
    return Operation(action, **{"key": WWW, "records": records, **fields})


def build(*operations: Operation, current: State | None = None) -> Plan:
    """Plan ``operations`` on ``current``; nothing is there by default."""
    return plan.build(Context(zone=ZONE), DEFAULT_TTL, current or {}, operations)


def refusal(*operations: Operation, current: State | None = None) -> DnsorchError:
    """Return the error of planning ``operations``."""
    with pytest.raises(DnsorchError) as caught:
        build(*operations, current=current)
    return caught.value


THERE = {WWW: Image(60, (ONE, TWO))}


@pytest.mark.parametrize(
    ("operation", "current", "after"),
    [
        # The default TTL is the RRset's, else the zone's.
        (op("create", ONE), {}, Image(300, (ONE,))),
        (op("create", ONE, ttl=5), {}, Image(5, (ONE,))),
        (op("create", ONE), {WWW: None}, Image(300, (ONE,))),
        (op("replace", THREE), THERE, Image(60, (THREE,))),
        (op("replace", THREE, ttl=0), THERE, Image(0, (THREE,))),
        (op("put", THREE), {}, Image(300, (THREE,))),
        (op("put", TWO, ONE), THERE, Image(60, (ONE, TWO))),
        (op("put", THREE, ttl=5), THERE, Image(5, (THREE,))),
        (op("delete"), THERE, None),
        (op("add", ONE), {}, Image(300, (ONE,))),
        (op("add", THREE), THERE, Image(60, (ONE, TWO, THREE))),
        (op("add", THREE, ttl=5), THERE, Image(5, (ONE, TWO, THREE))),
        (op("add", ONE), THERE, Image(60, (ONE, TWO))),
        (op("add", ONE, THREE), THERE, Image(60, (ONE, TWO, THREE))),
        (op("remove", ONE), THERE, Image(60, (TWO,))),
        (op("remove", ONE, TWO), THERE, None),
        (op("remove", THREE), THERE, Image(60, (ONE, TWO))),
        (op("remove", ONE), {}, None),
        (op("remove", ONE, strict=True), THERE, Image(60, (TWO,))),
        (op("add", THREE, strict=True), THERE, Image(60, (ONE, TWO, THREE))),
    ],
)
def test_what_an_action_leaves(
    operation: Operation, current: State, after: Image | None
) -> None:
    planned = build(operation, current=current)
    assert planned.images == {WWW: after}
    assert planned.steps == (plan.Step(operation, current.get(WWW), after),)


@pytest.mark.parametrize(
    ("operation", "current", "kind", "code", "status"),
    [
        (op("create", ONE), THERE, RRsetExists, "rrset_exists", 409),
        (op("replace", ONE), {}, RRsetNotFound, "rrset_not_found", 409),
        (op("replace", ONE), {WWW: None}, RRsetNotFound, "rrset_not_found", 409),
        (op("delete"), {}, RRsetNotFound, "rrset_not_found", 409),
        (op("add", ONE, strict=True), THERE, RecordExists, "record_exists", 409),
        (
            op("remove", THREE, strict=True),
            THERE,
            RecordNotFound,
            "record_not_found",
            404,
        ),
        (
            op("remove", ONE, strict=True),
            {},
            RecordNotFound,
            "record_not_found",
            404,
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    operation: Operation,
    current: State,
    kind: type[DnsorchError],
    code: str,
    status: int,
) -> None:
    operation = Operation(**{**vars(operation), "pointer": "/changes/3"})
    error = refusal(operation, current=current)
    assert type(error) is kind
    assert (error.code, error.status) == (code, status)
    assert [(r.pointer, r.code) for r in error.reasons] == [("/changes/3", code)]


@pytest.mark.parametrize(
    ("operation", "current", "code"),
    [
        (op("add", ONE, pointer="/c"), THERE, "record_exists"),
        (op("remove", THREE, pointer="/c"), THERE, "record_not_found"),
        (op("remove", ONE, pointer="/c"), {}, "record_not_found"),
    ],
)
def test_nothing_to_do_is_a_warning(
    operation: Operation, current: State, code: str
) -> None:
    (warning,) = build(operation, current=current).warnings
    assert (warning.code, warning.pointer) == (code, "/c")


@pytest.mark.parametrize(
    ("expected", "found", "holds"),
    [
        (Expectation(None), None, True),
        (Expectation(None), Image(60, (ONE,)), False),
        (Expectation((ONE,)), None, False),
        (Expectation((ONE,)), Image(60, (ONE,)), True),
        (Expectation((TWO, ONE)), Image(60, (ONE, TWO)), True),
        (Expectation((ONE,)), Image(60, (ONE, TWO)), False),
        (Expectation((ONE,), 60), Image(60, (ONE,)), True),
        (Expectation((ONE,), 61), Image(60, (ONE,)), False),
        (Expectation((ONE,), 0), Image(60, (ONE,)), False),
    ],
)
def test_expectations(expected: Expectation, found: Image | None, holds: bool) -> None:
    operation = op("put", THREE, expected=expected, pointer="/changes/1")
    if holds:
        assert build(operation, current={WWW: found}).images == {
            WWW: Image(found.ttl if found else 300, (THREE,))
        }
        return
    error = refusal(operation, current={WWW: found})
    assert type(error) is PreconditionFailed
    assert error.extra == {"current": images.dump(found)}
    assert [(r.pointer, r.code) for r in error.reasons] == [
        ("/changes/1/expected", "precondition_failed")
    ]


def test_an_expectation_is_of_what_was_there_before_the_change_set() -> None:
    expected = Expectation((ONE, TWO))
    planned = build(
        op("remove", ONE, expected=expected),
        op("remove", TWO, expected=expected),
        current=THERE,
    )
    assert planned.images == {WWW: None}


@pytest.mark.parametrize(
    "order", list(permutations([op("add", THREE), op("remove", ONE), op("add", ONE)]))
)
def test_adding_and_removing_the_same_record_is_a_contradiction(
    order: tuple[Operation, ...],
) -> None:
    error = refusal(*order, current=THERE)
    assert type(error) is Invalid
    assert [reason.code for reason in error.reasons] == ["contradiction"]


@pytest.mark.parametrize("whole", ["create", "replace", "put", "delete"])
@pytest.mark.parametrize("other", ["create", "delete", "add", "remove"])
def test_an_rrset_is_written_whole_by_one_operation_only(
    whole: str, other: str
) -> None:
    error = refusal(
        op(whole, ONE, pointer="/changes/0"), op(other, TWO, pointer="/changes/1")
    )
    assert type(error) is Invalid
    assert [(r.pointer, r.code) for r in error.reasons] == [
        ("/changes/1", "rrset_repeated")
    ]


def test_an_rrset_has_one_ttl() -> None:
    error = refusal(op("add", ONE, ttl=1), op("add", TWO, ttl=2, pointer="/changes/1"))
    assert [(r.pointer, r.code) for r in error.reasons] == [
        ("/changes/1/ttl", "ttl_conflict")
    ]
    planned = build(op("add", ONE), op("add", TWO, ttl=2), op("add", THREE, ttl=2))
    assert planned.images == {WWW: Image(2, (ONE, TWO, THREE))}


@pytest.mark.parametrize(
    ("operations", "warned"),
    [
        ([op("add", THREE, ttl=5)], True),
        ([op("add", THREE, ttl=60)], False),
        ([op("add", THREE)], False),
        # No record that was there stays: the TTL is nobody else's.
        ([op("remove", ONE, TWO), op("add", THREE, ttl=5)], False),
        ([op("put", THREE, ttl=5)], False),
    ],
)
def test_a_ttl_that_others_share_is_a_warning(
    operations: list[Operation], warned: bool
) -> None:
    warnings = build(*operations, current=THERE).warnings
    assert [warning.code for warning in warnings] == ["ttl_shared"] * warned


@pytest.mark.parametrize(
    ("operations", "current", "images"),
    [
        (
            [op("delete"), op("create", TARGET, key=ALIAS)],
            {WWW: Image(60, (ONE,)), ALIAS: None},
            {WWW: None, ALIAS: Image(300, (TARGET,))},
        ),
        (
            [op("create", ONE), op("delete", key=ALIAS)],
            {ALIAS: Image(60, (TARGET,))},
            {WWW: Image(300, (ONE,)), ALIAS: None},
        ),
    ],
)
def test_an_address_and_an_alias_swap_in_any_order(
    operations: list[Operation],
    current: State,
    images: dict[Key, Image | None],
) -> None:
    for order in permutations(operations):
        assert build(*order, current=current).images == images


def test_an_alias_beside_an_address_is_a_conflict() -> None:
    alias = op("create", TARGET, key=ALIAS, pointer="/changes/0")
    error = refusal(alias, current={**THERE, ALIAS: None})
    assert type(error) is CNAMEConflict
    assert [(r.pointer, r.code) for r in error.reasons] == [
        ("/changes/0", "cname_conflict")
    ]
    both = refusal(alias, op("create", ONE))
    assert (type(both), both.status) == (CNAMEConflict, 409)


def test_what_is_wrong_by_itself_outweighs_a_conflict() -> None:
    apex = Key(ZONE, "CNAME")
    error = refusal(op("create", TARGET, key=apex), current={Key(ZONE, "A"): None})
    assert (type(error), error.status) == (Invalid, 400)
    assert [reason.code for reason in error.reasons] == ["cname_at_apex"]


@pytest.mark.parametrize("ttl", [-1, 2**31])
def test_the_rules_of_an_rrset_judge_the_end_state(ttl: int) -> None:
    error = refusal(op("create", ONE, ttl=ttl, pointer="/changes/0"))
    assert type(error) is Invalid
    assert [(r.pointer, r.code) for r in error.reasons] == [
        ("/changes/0", "ttl_out_of_range")
    ]


def test_warnings_of_the_rules_are_kept() -> None:
    delegation = Key("sub.example.test.", "NS")
    address = Key("sub.example.test.", "A")
    planned = build(
        op("create", "ns1.test.", "ns2.test.", key=delegation, pointer="/changes/0"),
        op("create", ONE, key=address, pointer="/changes/1"),
    )
    assert [(w.code, w.pointer) for w in planned.warnings] == [
        ("hidden_by_delegation", "/changes/0")
    ]


def test_an_image_is_a_set_in_order() -> None:
    assert Image.of(60, [TWO, ONE, TWO]) == Image(60, (ONE, TWO))
    assert Image.of(60, []) is None
    image = Image(60, (ONE, TWO))
    assert images.dump(image) == {"ttl": 60, "records": [ONE, TWO]}
    assert Image.load(images.dump(image)) == image
    assert images.dump(None) is None
    assert Image.load(None) is None


def test_the_answer_to_a_dry_run() -> None:
    planned = build(op("put", THREE), op("delete", key=ALIAS), current=SWAP)
    assert planned.as_dict(1) == {
        "zone": ZONE,
        "changes": [
            {
                "name": "www.example.test.",
                "type": "A",
                "action": "replace",
                "before": None,
                "after": {"ttl": 300, "records": [THREE]},
            },
            {
                "name": "www.example.test.",
                "type": "CNAME",
                "action": "delete",
                "before": {"ttl": 60, "records": [TARGET]},
                "after": None,
            },
        ],
        "warnings": [],
        "unsafe": [],
        "digest": planned.digest,
    }


SWAP = {ALIAS: Image(60, (TARGET,)), WWW: None}


def test_a_digest_stands_for_what_is_done_not_for_how_it_is_written() -> None:
    operations = [op("add", THREE), op("remove", ONE), op("remove", TWO)]
    digests = {
        build(*order, current=THERE).digest for order in permutations(operations)
    }
    assert len(digests) == 1
    assert digests == {
        build(*operations, current={**THERE, ALIAS: None}).digest,
    }
    other = build(*operations, current={WWW: Image(61, (ONE, TWO))}).digest
    assert other not in digests


@pytest.mark.parametrize(
    ("touched", "rrsets", "reasons"),
    [
        (3, 9, []),  # too small a zone to speak of shares
        (3, 10, []),
        (4, 10, ["40% of the zone's RRsets would be updated or deleted"]),
        (4, 14, []),
    ],
)
def test_a_plan_that_touches_much_of_a_zone_is_unsafe(
    touched: int, rrsets: int, reasons: list[str]
) -> None:
    keys = [Key(f"n{index}.example.test.", "A") for index in range(touched)]
    current = {key: Image(60, (ONE,)) for key in keys}
    planned = build(*(op("delete", key=key) for key in keys), current=current)
    assert planned.unsafe(rrsets) == reasons
    new = build(*(op("create", ONE, key=key) for key in keys))
    assert new.unsafe(rrsets) == []


def test_a_plan_that_touches_the_name_servers_of_the_apex_is_unsafe() -> None:
    apex = Key(ZONE, "NS")
    current = {apex: Image(60, ("ns1.example.test.",))}
    planned = build(op("put", "ns2.example.test.", key=apex), current=current)
    assert planned.unsafe(1) == ["the NS records of the zone's apex would change"]
    same = build(op("put", "ns1.example.test.", key=apex), current=current)
    assert same.unsafe(1) == []
