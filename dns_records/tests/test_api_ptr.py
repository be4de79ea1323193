"""PTR records that go with addresses, in the same request."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.services import zones
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    RECORDS,
    WWW,
    ZONES,
    accepted,
    assert_rejected,
    caller,
    change,
    changeset,
    deliver,
    pointers,
    post,
    record,
    warnings,
)
from dns_records.tests.world import wanted

pytestmark = pytest.mark.django_db(transaction=True)

A1, A2, A70 = "192.0.2.1", "192.0.2.2", "192.0.2.70"
HERE, MAIL = "www.example.test.", "mail.example.test."
P1 = ("1.2.0.192.in-addr.arpa.", "PTR")
P2 = ("2.2.0.192.in-addr.arpa.", "PTR")


def points(target: str, ttl: int = 300) -> tuple[int, tuple[str, ...]]:
    """Return a PTR RRset as the wanted state has it."""
    return ttl, (target,)


def zones_of(body: dict[str, Any]) -> list[str]:
    """Return the zones of a request's parts."""
    return [each["zone"] for each in body["parts"]]


def test_both_are_parts_of_one_request(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    body = accepted(api, change("add", "www", A1, A2, ttl=60, ptr=True))
    assert zones_of(body) == ["example.test.", "2.0.192.in-addr.arpa."]
    assert wanted(reverse) == {P1: points(HERE, 60), P2: points(HERE, 60)}
    deliver(zone)
    deliver(reverse)
    assert world.served(reverse) == wanted(reverse)
    answer = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert (answer["status"], warnings(answer)) == ("completed", [])


def test_in_the_order_of_zones_whichever_is_the_first(db: None) -> None:
    world.make_zone("2.0.192.in-addr.arpa.")
    world.make_zone()
    body = accepted(caller(), change("add", "www", A1, ptr=True))
    assert zones_of(body) == ["2.0.192.in-addr.arpa.", "example.test."]


def test_without_being_asked_nothing_happens(api: APIClient, reverse: Zone) -> None:
    assert accepted(api, change("add", "www", A1))["parts"] == []
    assert accepted(api, change("add", "www", A2, ptr=False))["parts"] == []
    assert wanted(reverse) == {}


def test_the_policy_of_the_zone(api: APIClient, zone: Zone, reverse: Zone) -> None:
    answer = api.patch(f"{ZONES}example.test/", {"ptr_policy": "on"})
    assert (answer.status_code, answer.json()["ptr_policy"]) == (200, "on")
    accepted(api, change("add", "www", A1))
    accepted(api, change("add", "ftp", A2, ptr=False))
    assert wanted(reverse) == {P1: points(HERE)}
    zones.change(zone, {"ptr_policy": "off"})
    accepted(api, change("add", "ftp", A2))
    assert list(wanted(reverse)) == [P1]


def test_it_goes_with_its_address(api: APIClient, reverse: Zone) -> None:
    accepted(api, change("add", "www", A1, A2, ptr=True))
    accepted(api, change("remove", "www", A1, ptr=True))
    assert wanted(reverse) == {P2: points(HERE)}
    accepted(api, change("replace", "www", A1, ptr=True))
    assert wanted(reverse) == {P1: points(HERE)}
    accepted(api, change("delete", "www", ptr=True))
    assert wanted(reverse) == {}


def test_it_follows_an_address_to_another_name(api: APIClient, reverse: Zone) -> None:
    accepted(api, change("add", "www", A1, ptr=True))
    accepted(
        api,
        change("add", "mail", A1, ptr=True),
        change("delete", "www", ptr=True),
    )
    assert wanted(reverse) == {P1: points(MAIL)}


def test_never_over_that_of_someone_else(api: APIClient, reverse: Zone) -> None:
    world.post(
        world.draft("add", P1[0], "PTR", MAIL),
        world.draft("add", P2[0], "PTR", HERE),
        world.draft("add", P2[0], "PTR", MAIL),
        zone=reverse.name,
    )
    before = wanted(reverse)
    body = accepted(api, change("add", "www", A1, A2, ptr=True))
    assert (body["parts"], body["zone"]) == ([], "example.test.")
    assert warnings(body) == [("/changes/0", "ptr_taken")] * 2
    assert warnings(accepted(api, change("delete", "www", ptr=True))) == [
        ("/changes/0", "ptr_taken")
    ]
    assert wanted(reverse) == before


def test_no_reverse_zone(api: APIClient, zone: Zone) -> None:
    body = accepted(api, change("add", "www", A1, ptr=True))
    assert warnings(body) == [("/changes/0", "no_reverse_zone")]
    assert warnings(accepted(api, change("delete", "www", ptr=True))) == []
    assert wanted(zone) == {}


def test_a_token_that_may_not(zone: Zone, reverse: Zone) -> None:
    limited = caller(zones=["example.test."])
    body = accepted(limited, change("add", "www", A1, ptr=True))
    assert (body["parts"], warnings(body)) == ([], [("/changes/0", "no_reverse_zone")])
    assert wanted(reverse) == {}


@pytest.mark.parametrize("label", ["64-127", "64/26"])
def test_classless_delegations(api: APIClient, reverse: Zone, label: str) -> None:
    classless = world.make_zone(f"{label}.{reverse.name}")
    cname = f"70.{label}.{reverse.name}"
    world.post(
        world.draft("add", f"70.{reverse.name}", "CNAME", cname), zone=reverse.name
    )
    before = wanted(reverse)
    body = accepted(api, change("add", "www", A70, ptr=True))
    assert zones_of(body) == ["example.test.", classless.name]
    assert wanted(classless) == {(cname, "PTR"): points(HERE)}
    assert wanted(reverse) == before


def test_a_name_that_is_an_alias_takes_none(api: APIClient, reverse: Zone) -> None:
    alias = f"1.0-63.{reverse.name}"
    world.post(world.draft("add", P1[0], "CNAME", alias), zone=reverse.name)
    before = wanted(reverse)
    body = accepted(api, change("add", "www", A1, A2, ptr=True))
    assert warnings(body) == [("/changes/0", "ptr_refused")]
    assert wanted(reverse) == before | {P2: points(HERE)}


def test_ipv6(api: APIClient) -> None:
    reverse = world.make_zone("8.b.d.0.1.0.0.2.ip6.arpa.")
    address = "2001:db8::1"
    accepted(api, change("add", "www", address, type="AAAA", ptr=True))
    name = "1." + "0." * 23 + reverse.name
    assert wanted(reverse) == {(name, "PTR"): points(HERE)}


def test_what_the_change_set_says_itself_holds(api: APIClient, reverse: Zone) -> None:
    body = {
        "changes": [
            change("add", HERE, A1, A2, ptr=True),
            change("add", P1[0], MAIL, type="PTR"),
        ]
    }
    answer = api.post(CHANGESETS, body)
    assert answer.status_code == 202
    assert zones_of(answer.json()) == ["example.test.", reverse.name]
    assert wanted(reverse) == {P1: points(MAIL), P2: points(HERE)}


def test_in_one_zone_it_is_one_change_set(db: None) -> None:
    arpa = world.make_zone("in-addr.arpa.")
    name = "www.in-addr.arpa."
    asked = {"zone": arpa.name, "changes": [change("add", "www", A1, ptr=True)]}
    body = caller().post(CHANGESETS, asked).json()
    assert (body["parts"], [each["type"] for each in body["changes"]]) == (
        [],
        ["A", "PTR"],
    )
    assert wanted(arpa) == {(name, "A"): (300, (A1,)), P1: points(name)}


def test_wildcards_have_none(api: APIClient, reverse: Zone) -> None:
    body = accepted(api, change("add", "*", A1, ptr=True))
    assert warnings(body) == [("/changes/0", "ptr_wildcard")]
    assert wanted(reverse) == {}


def test_only_addresses_have_them(api: APIClient, reverse: Zone) -> None:
    answer = post(api, change("add", "www", '"x"', type="TXT", ptr=True))
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes/0/ptr", "invalid")]


def test_an_rrset_written_or_deleted(api: APIClient, reverse: Zone) -> None:
    assert api.put(WWW, {"records": [A1], "ptr": True}).status_code == 202
    assert wanted(reverse) == {P1: points(HERE)}
    assert api.put(f"{WWW}?ptr=true", {"records": [A2]}).status_code == 202
    assert wanted(reverse) == {P2: points(HERE)}
    assert api.delete(f"{WWW}?ptr=true").status_code == 202
    assert wanted(reverse) == {}


def test_one_record_over_v1(api: APIClient, zone: Zone, reverse: Zone) -> None:
    made = api.post(RECORDS, record(ptr=True)).json()
    assert made["record"]["value"] == A1
    assert wanted(reverse) == {P1: points(HERE)}
    at = made["links"]["record"]
    changed = api.patch(at, {"value": A2, "ptr": True})
    assert changed.json()["record"]["id"] == made["record"]["id"]
    assert wanted(reverse) == {P2: points(HERE)}
    assert api.delete(f"{at}?ptr=true").status_code == 202
    assert wanted(reverse) == wanted(zone) == {}
    tracked = api.get(made["links"]["request"]).json()
    assert (tracked["name"], tracked["value"]) == (HERE, A1)


def test_a_dry_run_shows_both(api: APIClient, reverse: Zone) -> None:
    asked = changeset(change("add", "www", A1, ptr=True))
    plans = api.post(f"{CHANGESETS}?dry_run=true", asked).json()["plans"]
    assert [[c["type"] for c in each["changes"]] for each in plans] == [["A"], ["PTR"]]
    assert wanted(reverse) == {}


def test_with_an_earlier_change_taken_out_it_hits_nobody(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    world.post(world.draft("add", P1[0], "PTR", MAIL), zone=reverse.name)
    deliver(reverse)
    gone = world.post(world.draft("delete", P1[0], "PTR"), zone=reverse.name)
    body = accepted(api, change("add", "www", A1, ptr=True))
    assert api.post(f"/api/v2/requests/{gone.pk}/cancel/").status_code == 200
    assert wanted(reverse) == {P1: points(MAIL)}
    deliver(zone)
    answer = api.get(f"/api/v2/requests/{body['id']}/").json()
    (reason,) = answer["error"]["errors"]
    assert (answer["status"], reason["code"]) == ("failed", "dependency_failed")
