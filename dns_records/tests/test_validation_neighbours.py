"""The rules about what stands above, below and at the other end, one line a case."""

from __future__ import annotations

import pytest

from dns_records import plan
from dns_records.images import Image, Key
from dns_records.plan import Operation
from dns_records.tests.findings import ZONE
from dns_records.validation import Context, Neighbours
from dns_records.validation.neighbours import around, parents
from dnsorch.exceptions import DnsorchError

BELOW = ["below-dname error below_dname 409"]
HIDDEN = ["below-delegation warning below_delegation"]
ALIAS = "target-alias {} target_is_alias"
IS_ALIAS = "target_is_alias"
LOST = "address-pointed-to warning target_without_address"
NO_ADDRESS = ["target-exists warning target_without_address"]
GLUE = ["glue warning glue_missing"]
ONE_NS = ["two-name-servers warning one_name_server"]
A, MX, NS = "192.0.2.1", "10 {}.example.test.", "{}.example.test."

# What the zone holds elsewhere as "name:types"; a record; what the rules say. A type
# with "!" has something below it.
CASES: list[tuple[str, str, list[str]]] = [
    ("d:DNAME", f"x.d A {A}", BELOW),
    ("d:DNAME", f"x.y.d TXT {A}", BELOW),
    ("@:DNAME", f"www A {A}", BELOW),
    ("d:DNAME", f"xd A {A}", []),
    ("d:A", f"x.d A {A}", []),
    ("d:DNAME", f"d A {A}", []),
    ("", "d DNAME a.test.", []),
    ("d!:", "d DNAME a.test.", ["dname-above-data error dname_above_data 409"]),
    ("@:NS sub:NS", "www TXT x", []),
    ("sub:NS", "x.sub TXT x", HIDDEN),
    ("sub:NS", "x.sub MX 10 a.test.", HIDDEN),
    ("sub:NS", f"ns.sub A {A}", []),
    ("sub:NS,DNAME", "x.sub TXT x", HIDDEN),
    ("sub:NS x.sub:DNAME", "y.x.sub TXT x", HIDDEN),
    ("sub:NS", "x.sub NS a.test.", [*ONE_NS, *HIDDEN]),
    ("", "sub NS a.test.", ONE_NS),
    (
        "sub!:",
        "sub NS a.test.",
        [*ONE_NS, "delegation-above-data warning delegation_above_data"],
    ),
    # Targets in the zone.
    ("m:A", f"@ MX {MX.format('m')}", []),
    ("m:AAAA,TXT", f"@ MX {MX.format('m')}", []),
    ("", "@ MX 10 mail.test.", []),
    ("m:", f"@ MX {MX.format('m')}", NO_ADDRESS),
    ("m:TXT", f"@ MX {MX.format('m')}", NO_ADDRESS),
    ("m: *:A", f"@ MX {MX.format('m')}", []),
    ("m:TXT *:A", f"@ MX {MX.format('m')}", NO_ADDRESS),
    ("x.m: m:A *:TXT", f"@ MX {MX.format('x.m')}", NO_ADDRESS),
    ("m:CNAME", f"@ MX {MX.format('m')}", [ALIAS.format("error") + " 409"]),
    ("m: *:CNAME", f"@ MX {MX.format('m')}", [ALIAS.format("error") + " 409"]),
    ("m:CNAME", f"_a._tcp SRV 1 {MX.format('m')}", []),
    ("m:CNAME", f"_a._tcp SRV 1 2 {MX.format('m')}", [ALIAS.format("warning")]),
    ("m:", f"_a._tcp SRV 1 2 {MX.format('m')}", NO_ADDRESS),
    ("m:CNAME", f"k KX {MX.format('m')}", [ALIAS.format("warning")]),
    ("m:CNAME", f"1 PTR {NS.format('m')}", [ALIAS.format("warning")]),
    ("m:", f"1 PTR {NS.format('m')}", []),
    ("m:CNAME", f"w CNAME {NS.format('m')}", []),
    ("m:CNAME", f"@ NS {NS.format('m')}", [ALIAS.format("error") + " 409", *ONE_NS]),
    ("m:", f"@ NS {NS.format('m')}", [*ONE_NS, *NO_ADDRESS]),
    # What another zone, or a DNAME, answers for is not judged.
    ("m.sub: sub:NS", f"@ MX {MX.format('m.sub')}", []),
    ("m.sub: sub:DNAME", f"@ MX {MX.format('m.sub')}", []),
    ("sub:NS", f"@ MX {MX.format('sub')}", []),
    # Glue.
    ("ns.sub:A", f"sub NS {NS.format('ns.sub')}", ONE_NS),
    ("ns.sub:AAAA", f"sub NS {NS.format('ns.sub')}", ONE_NS),
    ("ns.sub:", f"sub NS {NS.format('ns.sub')}", [*ONE_NS, *GLUE]),
    ("ns.sub: *:A", f"sub NS {NS.format('ns.sub')}", [*ONE_NS, *GLUE]),
    ("ns:A", f"sub NS {NS.format('ns')}", ONE_NS),
    # What points to the name: "name>type:owner".
    ("m>MX:@", "m CNAME a.test.", [f"alias-pointed-to error {IS_ALIAS} 409"]),
    ("m>NS:sub", "m CNAME a.test.", [f"alias-pointed-to error {IS_ALIAS} 409"]),
    ("m>SRV:s", "m CNAME a.test.", [f"alias-pointed-to warning {IS_ALIAS}"]),
    ("m>MX:@", "m A -", [LOST]),
    ("m>MX:@ m>SRV:s", "m A -", [LOST, LOST]),
    ("m>MX:@ *:A", "m A -", []),
    ("m>MX:@", "m TXT -", []),
    ("m>PTR:1", "m A -", []),
    ("m>MX:@", f"m A {A}", []),
    ("sub:NS m.sub>MX:@", "m.sub CNAME a.test.", HIDDEN),
    ("sub:NS m.sub>NS:sub", "m.sub A -", ["glue-pointed-to warning glue_missing"]),
    ("sub:NS m.sub>NS:other", "m.sub A -", []),
    ("sub:DNAME m.sub>MX:@", "m.sub A -", []),
]


def full(name: str) -> str:
    return ZONE if name == "@" else f"{name}.{ZONE}"


def world(text: str) -> Neighbours:
    """Read ``name:type,type name!: name>type:owner`` into what is known of others."""
    types, filled = {}, set()
    pointers: dict[str, set[Key]] = {}
    for word in text.split():
        if ">" in word:
            target, _, pointing = word.partition(">")
            rtype, _, owner = pointing.partition(":")
            pointers.setdefault(full(target), set()).add(Key(full(owner), rtype))
            continue
        name, _, held = word.partition(":")
        if name.endswith("!"):
            filled.add(full(name[:-1]))
        else:
            types[full(name)] = frozenset(held.split(",")) - {""}
    return Neighbours(types, frozenset(filled), pointers)


def judged(text: str, *records: str, detail: bool = False) -> list[str]:
    """Return the codes of what planning ``records`` is warned of or refused for.

    With ``detail`` that is the sentences instead.
    """
    operations = []
    for record in records:
        name, rtype, value = record.split(" ", 2)
        key = Key(full(name), rtype)
        values = () if value == "-" else (value,)
        operations.append(Operation("put" if values else "delete", key, None, values))
    context = Context(ZONE, neighbours=world(text))
    current = {each.key: Image(60, ("x",)) for each in operations if not each.records}
    try:
        planned = plan.build(context, 300, current, operations)
    except DnsorchError as error:
        return [
            reason.detail if detail else f"{error.status} {reason.code}"
            for reason in error.reasons
        ]
    return [warning.code for warning in planned.warnings]


@pytest.mark.parametrize(("text", "record", "lines"), CASES)
def test_neighbours(text: str, record: str, lines: list[str]) -> None:
    found = judged(text, record)
    errors = [line.split() for line in lines if " error " in line]
    if errors:
        assert found == [f"{status} {code}" for _, _, code, status in errors]
    else:
        assert sorted(found) == sorted(line.split()[2] for line in lines)


def test_what_is_not_known_is_not_judged() -> None:
    assert judged("", f"@ MX {MX.format('m')}") == []
    assert judged("", f"sub NS {NS.format('ns.sub')}") == ["one_name_server"]


def test_the_end_state_of_the_change_set_counts() -> None:
    mx = f"@ MX {MX.format('m')}"
    assert judged("m:", mx, f"m A {A}") == []
    assert judged("m:", mx, "m CNAME a.test.") == ["409 target_is_alias"]
    assert judged("m:CNAME", mx, "m CNAME -") == ["target_without_address"]
    assert judged("d:DNAME", f"x.d A {A}", "d DNAME -") == []
    assert judged("", f"x.d A {A}", "d DNAME a.test.") == ["409 below_dname"]
    assert judged("", "x.d A -", "d DNAME a.test.") == []
    assert judged("d:DNAME", "x.d A -") == []


def test_names_around() -> None:
    assert parents("a.b.example.test.", ZONE) == ["b.example.test.", ZONE]
    assert parents(ZONE, ZONE) == parents("example.org.", ZONE) == []
    assert around("a.b.example.test.", ZONE) == {
        "a.b.example.test.",
        "b.example.test.",
        "*.b.example.test.",
        ZONE,
        "*.example.test.",
    }
