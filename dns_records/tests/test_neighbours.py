"""What is looked up around a change set, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from dns_records.drafts import Draft, read
from dns_records.models import RRset, Zone
from dns_records.services import (
    changes,
    delivery,
    neighbours,
    orders,
    reconcile,
    wanted,
    withdrawal,
)
from dns_records.services.changes import ChangeSet
from dns_records.services.orders import Order
from dns_records.tests.findings import ZONE
from dns_records.tests.world import (
    ANYONE,
    draft,
    fresh,
    make_zone,
    post,
    put_into_dns,
    states,
    submit,
)
from dns_records.validation import Neighbours
from requests_tracker.tests.factories import origin

pytestmark = pytest.mark.django_db

A = "192.0.2.1"


def look(zone: Zone, *drafts: Draft) -> tuple[Neighbours, int]:
    """Return what is found around a change set, and in how many statements."""
    operations = read(drafts, zone.name)
    locked = wanted.lock(zone, {each.key.name for each in operations})
    with CaptureQueriesContext(connection) as context:
        found = neighbours.read(locked, operations)
    return found, len(context)


def outcome(*drafts: Draft) -> tuple[str, str, list[str]]:
    """Return status, error and the warnings in the timeline of a change set."""
    request = post(*drafts)
    event = request.events.filter(step="validated").first()
    warnings = event.data["warnings"] if event else []
    return request.status, request.error_code, [each["code"] for each in warnings]


def accepted(*codes: str) -> tuple[str, str, list[str]]:
    return "queued", "", list(codes)


def rejected(code: str) -> tuple[str, str, list[str]]:
    return "rejected", code, []


@pytest.mark.parametrize(
    ("drafts", "statements"),
    [
        ([draft("add", "www", "A", A)], 0),
        ([draft("add", "a.b.www", "A", A)], 0),
        ([draft("add", "www", "CNAME", "a.example.test.")], 1),
        ([draft("add", "@", "MX", "10 mail.test.")], 0),
        ([draft("add", "@", "MX", "10 mail.example.test.")], 1),
        ([draft("add", "@", "NS", "ns.example.test.")], 1),
        ([draft("add", "sub", "NS", "ns.test.")], 1),
        ([draft("add", "sub", "NS", "ns.example.test.")], 2),
        ([draft("add", "d", "DNAME", "a.test.")], 1),
        ([draft("delete", "d", "DNAME")], 0),
        ([draft("put", "held", "A", "192.0.2.2")], 0),
        ([draft("remove", "held", "A", A)], 0),
        ([draft("delete", "held", "A")], 1),
        ([draft("delete", "held", "A"), draft("add", "held", "CNAME", "a.test.")], 1),
        ([draft("remove", "held", "A", A, "192.0.2.2")], 1),
        ([draft("delete", "held", "TXT")], 0),
        ([draft("delete", "mail", "A")], 2),
        (
            [
                draft("add", "@", "MX", *(f"10 m{i}.example.test." for i in range(50))),
                *(draft("add", f"s{i}", "NS", "ns.s.example.test.") for i in range(50)),
                *(draft("add", f"c{i}", "CNAME", "a.test.") for i in range(60)),
            ],
            3,
        ),
    ],
)
def test_statements(zone: Zone, drafts: Sequence[Draft], statements: int) -> None:
    post(draft("add", "held", "A", A, "192.0.2.2"), draft("add", "held", "TXT", "x"))
    post(draft("add", "mail", "A", A), draft("add", "x", "MX", "1 mail.example.test."))
    assert look(zone, *drafts)[1] == statements


def test_what_is_there_is_found(zone: Zone) -> None:
    post(draft("add", "mail", "A", A), draft("add", "mail", "TXT", "x"))
    post(draft("add", "old", "A", A), draft("add", "*", "TXT", "x"))
    post(draft("delete", "old", "A"))
    make_zone("other.test.")
    post(draft("add", "new", "A", A), zone="other.test.")
    targets = [f"10 {name}.example.test." for name in ("mail", "old", "new")]
    found, _ = look(zone, draft("add", "x.mail", "MX", *targets))
    assert found.types == {
        "mail.example.test.": {"A", "TXT"},
        "old.example.test.": frozenset(),
        "new.example.test.": frozenset(),
        ZONE: frozenset(),
        "*.example.test.": {"TXT"},
    }


@pytest.mark.parametrize(
    ("rtype", "name", "below", "filled"),
    [
        ("DNAME", "d", [("x.d", "A")], True),
        ("DNAME", "d", [("x.y.d", "TXT")], True),
        ("DNAME", "d", [("xd", "A"), ("d", "A")], False),
        ("DNAME", "d", [(r"x\.d", "A")], False),
        ("DNAME", "d_", [("x.da", "A")], False),
        ("DNAME", "@", [("www", "A")], True),
        ("DNAME", "@", [("@", "A")], False),
        ("NS", "d", [("x.d", "TXT")], True),
        ("NS", "d", [("x.d", "A"), ("y.d", "AAAA")], False),
    ],
)
def test_what_is_below_is_found(
    zone: Zone, rtype: str, name: str, below: list[tuple[str, str]], filled: bool
) -> None:
    values = {"A": A, "AAAA": "2001:db8::1", "TXT": "x"}
    for each, held in below:
        post(draft("add", each, held, values[held]))
    full = ZONE if name == "@" else f"{name}.{ZONE}"
    found, _ = look(zone, draft("add", name, rtype, "a.test."))
    assert found.filled == ({full} if filled else frozenset())


def test_dname_and_what_is_below_it(zone: Zone) -> None:
    assert outcome(draft("add", "x.d", "A", A)) == accepted()
    dname = draft("add", "d", "DNAME", "a.test.")
    assert outcome(dname) == rejected("dname_above_data")
    assert outcome(dname, draft("delete", "x.d", "A")) == accepted()
    assert outcome(draft("add", "x.y.d", "A", A)) == rejected("below_dname")
    # It is there already, and nothing is below it.
    assert outcome(draft("replace", "d", "DNAME", "b.test.")) == accepted()
    assert (
        outcome(draft("delete", "d", "DNAME"), draft("add", "x.d", "A", A))
        == accepted()
    )


def test_delegations_and_their_glue(zone: Zone) -> None:
    def delegation(action: str = "put") -> Draft:
        names = ("ns.sub.example.test.", "ns.test.")
        return draft(action, "sub", "NS", *names)

    assert outcome(draft("add", "x.sub", "TXT", "x")) == accepted()
    assert outcome(delegation()) == accepted("glue_missing", "delegation_above_data")
    assert outcome(draft("add", "ns.sub", "A", A)) == accepted()
    assert outcome(delegation()) == accepted()
    assert outcome(draft("add", "y.sub", "TXT", "x")) == accepted("below_delegation")
    ds = draft("add", "sub", "DS", f"1 13 2 {'aa' * 32}")
    assert outcome(ds) == accepted()
    assert outcome(draft("delete", "sub", "NS")) == rejected("ds_without_ns")
    assert (
        outcome(draft("delete", "sub", "NS"), draft("delete", "sub", "DS"))
        == accepted()
    )
    assert outcome(ds) == rejected("ds_without_ns")


def test_targets(zone: Zone) -> None:
    mx = draft("put", "@", "MX", "10 mail.example.test.")
    assert outcome(mx) == accepted("target_without_address")
    assert outcome(mx, draft("add", "mail", "A", A)) == accepted()
    assert outcome(mx) == accepted()
    assert outcome(draft("add", "alias", "CNAME", "mail.example.test.")) == accepted()
    to_alias = draft("put", "@", "MX", "10 alias.example.test.")
    assert outcome(to_alias) == rejected("target_is_alias")
    ptr = draft("put", "1", "PTR", "alias.example.test.")
    assert outcome(ptr) == accepted("target_is_alias")


def test_the_warnings_are_in_the_plan_too(zone: Zone) -> None:
    mx = ChangeSet(zone.name, [draft("put", "@", "MX", "10 mail.example.test.")])
    planned = changes.dry_run(lambda: mx, access=ANYONE, origin=origin())
    assert [each["code"] for each in planned["warnings"]] == ["target_without_address"]
    submit(mx)
    assert RRset.objects.filter(present=True).count() == 1


def test_ttl_limits_are_for_new_ttls_only(zone: Zone) -> None:
    assert outcome(draft("add", "www", "A", A, ttl=5)) == accepted()
    Zone.objects.update(min_ttl=60, max_ttl=3600, default_ttl=300)
    assert outcome(draft("add", "www", "A", "192.0.2.2")) == accepted()
    for ttl in (59, 3601):
        new = draft("put", "new", "A", A, ttl=ttl)
        assert outcome(new) == rejected("ttl_out_of_range")
    assert outcome(draft("put", "www", "A", A, ttl=60)) == accepted()
    assert outcome(draft("put", "www", "A", A, ttl=5)) == rejected("ttl_out_of_range")


def test_limits_that_came_later_do_not_fail_what_was_accepted(zone: Zone) -> None:
    first = post(draft("put", "www", "A", A, ttl=5))
    second = post(draft("add", "www", "A", "192.0.2.2", ttl=5))
    Zone.objects.update(min_ttl=60)
    withdrawal.cancel(zone, first.pk, "team-web")
    assert [fresh(each).status for each in (first, second)] == ["cancelled", "queued"]


def test_the_limits_of_an_rrset_are_settings(zone: Zone, settings: Settings) -> None:
    settings.DNSORCH_MAX_RECORDS_PER_RRSET = 1
    both = draft("put", "www", "A", A, "192.0.2.2")
    assert outcome(both) == rejected("too_many_records")
    settings.DNSORCH_MAX_RRSET_OCTETS = 30
    assert outcome(draft("put", "www", "A", A)) == rejected("rrset_too_large")


def test_powerdns_serves_no_other_characters(zone: Zone) -> None:
    odd = draft("put", "a+b", "TXT", "x")
    assert outcome(odd) == accepted("name_not_served")
    zone.backend.driver = "powerdns"
    zone.backend.save()
    assert outcome(odd) == rejected("name_not_served")
    assert outcome(draft("delete", "a+b", "TXT")) == accepted()


def test_what_is_put_back_is_not_judged_by_its_neighbours_again(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(draft("put", "@", "MX", "10 mail.example.test."))
    with monkeypatch.context() as at_the_same_moment:
        at_the_same_moment.setattr(neighbours, "_pointers", lambda *others: {})
        post(draft("put", "mail", "CNAME", "a.test."))
    Zone.objects.update(min_ttl=3600)
    delivery.drain(zone.pk)
    put_into_dns(zone, ZONE, "MX")
    orders.reconcile(zone, Order("asked for", "team-web", "rest"))
    reconcile.run_due(zone.pk)
    assert states() == ["verifying", "verifying", "queued"]


def test_warnings_ride_on_the_answers(api: APIClient) -> None:
    mx = {"name": "@", "type": "MX", "zone": ZONE, "value": "10 mail.example.test."}
    answer = api.post("/api/v1/dns-records/", mx).json()
    assert [each["code"] for each in answer["warnings"]] == ["target_without_address"]
    change = {"action": "replace", "name": "@", "type": "MX", "records": [mx["value"]]}
    body = {"zone": ZONE, "changes": [change]}
    planned = api.post("/api/v2/changesets/?dry_run=true", body).json()
    assert [(each["code"], each["pointer"]) for each in planned["warnings"]] == [
        ("target_without_address", "/changes/0")
    ]
    request = api.post("/api/v2/changesets/", body).json()
    (judged,) = (each for each in request["events"] if each["step"] == "validated")
    assert judged["data"]["warnings"] == planned["warnings"]
