"""/api/v2/zones/{zone}/rrsets/: the wanted state, RRset by RRset."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from dns_records.models import RRset, Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    WWW,
    ZONES,
    assert_rejected,
    caller,
    deliver,
    pointers,
)
from requests_tracker.models import Request

LIST = f"{ZONES}example.test/rrsets/"


def put(api: APIClient, url: str, *records: str, **fields: Any) -> Any:
    """Write an RRset whole."""
    answer = api.put(url, {"records": list(records), **fields})
    assert answer.status_code == 202, answer.json()
    return answer


def test_put_and_get(api: APIClient, zone: Zone) -> None:
    answer = put(api, WWW, "192.0.2.2", "192.0.2.1", ttl=60, comment="the site")
    row, body = Request.objects.get(), answer.json()
    assert answer.headers["Location"] == f"/api/v2/requests/{row.pk}/"
    assert (body["id"], body["action"], body["status"]) == (
        str(row.pk),
        "put",
        "queued",
    )
    (change,) = body["changes"]
    assert (change["action"], change["before"], change["after"]) == (
        "replace",
        None,
        {"ttl": 60, "records": ["192.0.2.1", "192.0.2.2"]},
    )
    shown = api.get(WWW)
    assert shown.headers["ETag"] == '"1"'
    at = "/api/v2/zones/example.test./rrsets/www.example.test./A/"
    assert shown.json() == {
        "zone": "example.test.",
        "name": "www.example.test.",
        "name_unicode": "www.example.test.",
        "type": "A",
        "ttl": 60,
        "records": ["192.0.2.1", "192.0.2.2"],
        "comment": "the site",
        "expires": {},
        "status": "pending",
        "version": 1,
        "updated_at": shown.json()["updated_at"],
        "links": {
            "self": at,
            "history": f"{at}history/",
        },
    }
    deliver(zone)
    assert api.get(WWW).json() == {**shown.json(), "status": "live"}
    assert api.get(shown.json()["links"]["self"]).json()["version"] == 1


@pytest.mark.parametrize(
    ("zone_part", "name", "rtype", "expected"),
    [
        ("example.test", "www", "A", "www.example.test."),
        ("example.test.", "www.example.test", "a", "www.example.test."),
        ("EXAMPLE.Test", "WWW.example.test.", "A", "www.example.test."),
        ("example.test", "@", "A", "example.test."),
        ("example.test", "example.test", "A", "example.test."),
        ("example.test", "bücher", "A", "xn--bcher-kva.example.test."),
        ("example.test", "xn--bcher-kva", "A", "xn--bcher-kva.example.test."),
        ("example.test", "*.dev", "A", "*.dev.example.test."),
        ("example.test", "a.example.org", "A", "a.example.org.example.test."),
    ],
)
def test_names_in_the_url(
    api: APIClient, zone_part: str, name: str, rtype: str, expected: str
) -> None:
    url = f"{ZONES}{quote(zone_part)}/rrsets/{quote(name)}/{rtype}/"
    put(api, url, "192.0.2.1")
    shown = api.get(url).json()
    assert (shown["name"], shown["type"]) == (expected, "A")
    assert api.get(shown["links"]["self"]).json() == shown
    assert api.delete(url).status_code == 202
    assert api.get(url).status_code == 404


def test_names_are_shown_in_unicode_too(api: APIClient) -> None:
    put(api, f"{ZONES}example.test/rrsets/xn--bcher-kva.xn--n3h/A/", "192.0.2.1")
    (shown,) = api.get(f"{ZONES}example.test/rrsets/").json()["results"]
    # What is no valid A-label stays as it is (IDNA 2008).
    assert shown["name"] == "xn--bcher-kva.xn--n3h.example.test."
    assert shown["name_unicode"] == "bücher.xn--n3h.example.test."
    # A client may send back what it was shown; it cannot rename.
    again = {**shown, "ttl": 7}
    assert api.put(shown["links"]["self"], again).status_code == 202
    renamed = {**shown, "name_unicode": "x.example.test."}
    answer = api.put(shown["links"]["self"], renamed)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/name_unicode"]


def test_a_name_with_a_slash(zone: Zone) -> None:
    """RFC 2317 section 4 has such names."""
    world.make_zone("2.0.192.in-addr.arpa.")
    api = caller()
    url = f"{ZONES}2.0.192.in-addr.arpa/rrsets/0/25/NS/"
    put(api, url, "ns1.example.test.", "ns2.example.test.")
    shown = api.get(url).json()
    assert shown["name"] == "0/25.2.0.192.in-addr.arpa."
    assert api.get(shown["links"]["self"]).json() == shown


def test_put_replaces_all(api: APIClient, zone: Zone) -> None:
    put(api, WWW, "192.0.2.1", "192.0.2.2", ttl=60)
    put(api, WWW, "192.0.2.3")
    # The TTL is kept where none is given.
    assert world.wanted(zone) == {("www.example.test.", "A"): (60, ("192.0.2.3",))}


def test_the_default_ttl_is_the_zones(api: APIClient) -> None:
    Zone.objects.update(default_ttl=77)
    put(api, WWW, "192.0.2.1")
    assert api.get(WWW).json()["ttl"] == 77


def test_the_comment_is_kept_changed_and_cleared(api: APIClient) -> None:
    put(api, WWW, "192.0.2.1", comment="one")
    put(api, WWW, "192.0.2.2")
    assert api.get(WWW).json()["comment"] == "one"
    put(api, WWW, "192.0.2.2", comment="two")
    assert api.get(WWW).json()["comment"] == "two"
    put(api, WWW, "192.0.2.2", comment=None)
    assert api.get(WWW).json()["comment"] is None
    assert api.get(WWW).headers["ETag"] == '"4"'


def test_what_was_read_may_be_sent_back(api: APIClient, zone: Zone) -> None:
    put(api, WWW, "192.0.2.1")
    shown = api.get(WWW).json()
    deliver(zone)
    put(api, WWW, **{**shown, "records": ["192.0.2.1"]})
    changed = api.put(WWW, {**shown, "name": "other.example.test."})
    assert_rejected(changed, 400, "invalid")
    assert pointers(changed) == [("/name", "read_only_field")]


@pytest.mark.parametrize(
    ("body", "code", "places"),
    [
        ({}, "invalid", [("/records", "required")]),
        ({"records": []}, "invalid", [("/records", "empty")]),
        ({"records": None}, "invalid", [("/records", "null")]),
        ({"records": "192.0.2.1"}, "invalid", [("/records", "invalid_type")]),
        ({"records": [1]}, "invalid", [("/records/0", "invalid_type")]),
        (
            {"records": ["192.0.2.1", "x"]},
            "invalid_rdata",
            [("/records/1", "invalid_rdata")],
        ),
        (
            {"records": ["192.0.2.1", "192.0.2.1"]},
            "duplicate_record",
            [("/records/1", "duplicate_record")],
        ),
        ({"records": ["192.0.2.1"], "ttl": 1.5}, "invalid", [("/ttl", "invalid_type")]),
        ({"records": ["192.0.2.1"], "x": 1}, "invalid", [("/x", "unknown_field")]),
    ],
)
def test_a_wrong_body_says_where(
    api: APIClient, body: dict[str, Any], code: str, places: list[tuple[str, str]]
) -> None:
    answer = api.put(WWW, body)
    row = assert_rejected(answer, 400, code)
    assert pointers(answer) == places
    assert row.action == "put"


def test_rules(api: APIClient) -> None:
    put(api, WWW, "192.0.2.1")
    alias = api.put(f"{LIST}www/CNAME/", {"records": ["a.test."]})
    assert_rejected(alias, 409, "cname_conflict")
    apex = api.put(f"{LIST}@/CNAME/", {"records": ["a.test."]})
    assert_rejected(apex, 400, "cname_at_apex")
    two = api.put(f"{LIST}b/CNAME/", {"records": ["a.test.", "b.test."]})
    assert_rejected(two, 400, "singleton_rrset")
    relative = api.put(f"{LIST}b/MX/", {"records": ["10 mail"]})
    assert_rejected(relative, 400, "name_not_absolute")
    assert pointers(relative) == [("/records/0", "name_not_absolute")]


def test_delete(api: APIClient, zone: Zone) -> None:
    put(api, WWW, "192.0.2.1")
    answer = api.delete(WWW)
    (change,) = answer.json()["changes"]
    assert (answer.status_code, change["action"], change["after"]) == (
        202,
        "delete",
        None,
    )
    assert api.get(WWW).json()["code"] == "not_found"
    row = assert_rejected(api.delete(WWW), 404, "not_found")
    assert row.action == "delete"
    deliver(zone)
    assert world.served(zone) == {}
    # The version goes on rising: an old tag never fits again.
    put(api, WWW, "192.0.2.1")
    assert api.get(WWW).headers["ETag"] == '"3"'


def test_if_match(api: APIClient) -> None:
    put(api, WWW, "192.0.2.1")
    body = {"records": ["192.0.2.2"]}
    for tag in ('"0"', '"2"', "1", 'W/"1"', "", '"1'):
        answer = api.put(WWW, body, headers={"If-Match": tag})
        row = assert_rejected(answer, 412, "precondition_failed")
        assert (row.zone, row.name) == ("example.test.", "www.example.test.")
        assert answer.json()["current"] == {"ttl": 300, "records": ["192.0.2.1"]}
    assert api.put(WWW, body, headers={"If-Match": '"0", "1"'}).status_code == 202
    stale = api.delete(WWW, headers={"If-Match": '"1"'})
    assert_rejected(stale, 412, "precondition_failed")
    assert api.delete(WWW, headers={"If-Match": '"2"'}).status_code == 202
    gone = api.put(WWW, body, headers={"If-Match": "*"})
    assert_rejected(gone, 412, "precondition_failed")
    assert gone.json()["current"] is None
    assert gone.json()["current_version"] is None


def test_if_none_match(api: APIClient) -> None:
    body, absent = {"records": ["192.0.2.1"]}, {"If-None-Match": "*"}
    assert api.put(WWW, body, headers=absent).status_code == 202
    there = api.put(WWW, body, headers=absent)
    assert_rejected(there, 412, "precondition_failed")
    assert there.json()["current"] == {"ttl": 300, "records": ["192.0.2.1"]}
    assert there.json()["current_version"] == "1"
    tag = api.put(WWW, body, headers={"If-None-Match": '"1"'})
    assert_rejected(tag, 400, "invalid")
    both = api.put(WWW, body, headers={**absent, "If-Match": "*"})
    assert_rejected(both, 400, "invalid")


def test_a_put_that_changes_nothing_is_sent_all_the_same(
    api: APIClient, zone: Zone
) -> None:
    put(api, WWW, "192.0.2.1")
    deliver(zone)
    again = put(api, WWW, "192.0.2.1")
    assert api.get(WWW).json()["version"] == 1
    deliver(zone)
    assert api.get(again.headers["Location"]).json()["status"] == "completed"
    marker, *sent = world.messages(zone)
    assert sent == [[("www.example.test.", "A", ("192.0.2.1",))]] * 2


def test_dry_run(api: APIClient) -> None:
    plan = api.put(f"{WWW}?dry_run=true", {"records": ["192.0.2.1"]}).json()
    assert plan["changes"] == [
        {
            "name": "www.example.test.",
            "type": "A",
            "action": "replace",
            "before": None,
            "after": {"ttl": 300, "records": ["192.0.2.1"]},
        }
    ]
    missing = api.delete(f"{WWW}?dry_run=true")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert not Request.objects.exists()
    assert not RRset.objects.exists()


def test_list(api: APIClient, zone: Zone) -> None:
    put(api, f"{LIST}a/A/", "192.0.2.1", "192.0.2.2")
    put(api, f"{LIST}a/AAAA/", "2001:db8::1")
    deliver(zone)
    put(api, f"{LIST}b/CNAME/", "a.example.test.")
    put(api, f"{LIST}gone/A/", "192.0.2.1")
    assert api.delete(f"{LIST}gone/A/").status_code == 202

    def found(**query: str) -> list[str]:
        answer = api.get(LIST, query)
        assert answer.status_code == 200, answer.json()
        return [
            f"{each['name'].partition('.')[0]} {each['type']}"
            for each in answer.json()["results"]
        ]

    assert found() == ["a A", "a AAAA", "b CNAME"]
    assert found(name="A") == found(name="a.example.test.") == ["a A", "a AAAA"]
    assert found(name="@") == []
    assert found(type="aaaa") == ["a AAAA"]
    assert found(rdata="192.0.2.2") == ["a A"]
    assert found(rdata="2001:DB8:0::1") == ["a AAAA"]
    assert found(rdata="A.example.test.", type="CNAME") == ["b CNAME"]
    assert found(search="192.0.2") == ["a A"]
    assert found(search="B.EXAMPLE") == ["b CNAME"]
    assert found(status="pending") == ["b CNAME"]
    assert found(status="live", name="a", type="A") == ["a A"]
    assert api.get(LIST).json()["results"][0] == api.get(f"{LIST}a/A/").json()


def test_pages(api: APIClient) -> None:
    for name in "abc":
        put(api, f"{LIST}{name}/A/", "192.0.2.1")
    first = api.get(f"{LIST}?limit=2").json()
    second = api.get(first["next"]).json()
    back = api.get(second["previous"]).json()
    assert [each["name"][0] for each in first["results"]] == ["a", "b"]
    assert [each["name"][0] for each in second["results"]] == ["c"]
    assert back["results"] == first["results"]
    assert (first["previous"], second["next"]) == (None, None)


@pytest.mark.parametrize(
    "query",
    [
        {"name": "a..b"},
        {"name": "a.example.org."},
        {"type": "XXX"},
        {"type": ""},
        {"rdata": "\x01"},
        {"status": "sent"},
        {"colour": "red"},
        {"limit": "1001"},
    ],
)
def test_a_wrong_filter_is_400(api: APIClient, query: dict[str, str]) -> None:
    assert api.get(LIST, query).status_code == 400
