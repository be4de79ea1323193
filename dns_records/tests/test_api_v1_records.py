"""/api/v1/dns-records/: one record at a time."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Record, RRset, Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    RECORDS,
    assert_rejected,
    at,
    caller,
    change,
    changeset,
    deliver,
    made,
    pointers,
    record,
    the_request,
)
from requests_tracker.models import Request

WWW = ("www.example.test.", "A")


def test_create(api: APIClient, zone: Zone) -> None:
    answer = api.post(RECORDS, record(ttl=600, comment="the site"))
    row, body = the_request(), answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/requests/{row.pk}/"
    assert answer.headers["X-Tracker-Request"] == str(row.pk)
    shown = body.pop("record")
    assert body == {
        "request_id": str(row.pk),
        "status": "queued",
        "warnings": [],
        "error": None,
        "links": {
            "request": f"/api/v1/requests/{row.pk}/",
            "record": f"/api/v1/dns-records/{shown['id']}/",
        },
    }
    assert shown == {
        "id": str(Record.objects.get().pk),
        "zone": "example.test.",
        "name": "www.example.test.",
        "name_unicode": "www.example.test.",
        "type": "A",
        "value": "192.0.2.1",
        "ttl": 600,
        "status": "pending",
        "comment": "the site",
        "expires_at": None,
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
        "links": {"self": f"/api/v1/dns-records/{shown['id']}/"},
    }
    assert (row.action, row.source, row.api_version) == ("create", "rest", "v1")
    assert world.wanted(zone) == {WWW: (600, ("192.0.2.1",))}


def test_a_created_record_can_be_read_and_goes_live(api: APIClient, zone: Zone) -> None:
    shown = made(api)
    answer = api.get(at(shown))
    assert (answer.status_code, answer.json()) == (200, shown)
    assert answer.headers["ETag"] == '"1"'
    deliver(zone)
    assert api.get(at(shown)).json() == {**shown, "status": "live"}
    assert world.served(zone) == {WWW: (300, ("192.0.2.1",))}


def test_an_answer_shows_the_record_as_it_is_read(api: APIClient) -> None:
    """It is shown from what was written, beside siblings that were there."""
    for value in ("192.0.2.1", "192.0.2.2"):
        made = api.post(RECORDS, record(value=value, comment="why")).json()["record"]
        assert made == api.get(made["links"]["self"]).json()
    expires = {"expires_at": "2100-01-01T00:00:00Z"}
    for update in ({"value": "192.0.2.77"}, {"ttl": 77}, {"comment": None}, expires):
        shown = api.patch(made["links"]["self"], update).json()["record"]
        assert shown == api.get(made["links"]["self"]).json()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "WWW.Example.TEST"}, "www.example.test."),
        ({"name": "bücher.example.test"}, "xn--bcher-kva.example.test."),
        ({"name": "xn--bcher-kva.example.test."}, "xn--bcher-kva.example.test."),
        ({"name": "www", "zone": "example.test"}, "www.example.test."),
        ({"name": "www", "zone": "EXAMPLE.test."}, "www.example.test."),
        ({"name": "@", "zone": "example.test."}, "example.test."),
        ({"name": "example.test", "zone": "example.test."}, "example.test."),
        ({"name": "a.example.test", "zone": "example.test."}, "a.example.test."),
        (
            {"name": "a.example.org", "zone": "example.test."},
            "a.example.org.example.test.",
        ),
    ],
)
def test_names_in_any_form_come_out_canonical(
    api: APIClient, given: dict[str, str], expected: str
) -> None:
    shown = made(api, **given)
    assert shown["name"] == expected
    assert shown["name_unicode"] == expected.replace("xn--bcher-kva", "bücher")


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        ({"name": "@"}, "invalid_name", "/name"),
        ({"name": "a..example.test"}, "invalid_name", "/name"),
        ({"name": "a b.example.test"}, "invalid_name", "/name"),
        (
            {"name": "www.example.org.", "zone": "example.test."},
            "out_of_zone",
            "/name",
        ),
        ({"name": "_dnsorch.example.test."}, "reserved_name", "/name"),
        ({"name": "x._dnsorch", "zone": "example.test"}, "reserved_name", "/name"),
        ({"zone": "a..b"}, "invalid_name", "/zone"),
        ({"type": "LUA"}, "unsupported_type", "/type"),
        ({"value": "192.0.2.256"}, "invalid_rdata", "/value"),
        ({"type": "CNAME", "value": "other"}, "name_not_absolute", "/value"),
        ({"type": "MX", "value": "10 mail"}, "name_not_absolute", "/value"),
        ({"ttl": -1}, "invalid", "/ttl"),
        ({"ttl": 2**31}, "invalid", "/ttl"),
        ({"ttl": "300"}, "invalid", "/ttl"),
        ({"ttl": True}, "invalid", "/ttl"),
        ({"value": 1}, "invalid", "/value"),
        ({"colour": "red"}, "invalid", "/colour"),
        ({"comment": "x" * 1001}, "invalid", "/comment"),
        ({"type": "CNAME", "value": "a.test.", "name": "example.test."}, None, ""),
    ],
)
def test_what_is_wrong_by_itself_is_400_and_says_where(
    api: APIClient, given: dict[str, Any], code: str | None, pointer: str
) -> None:
    answer = api.post(RECORDS, record(**given))
    row = assert_rejected(answer, 400, code or "cname_at_apex")
    assert [where for where, _ in pointers(answer)] == [pointer]
    assert (row.action, row.requester) == ("create", "team-web")
    assert not RRset.objects.exists()


def test_all_that_is_wrong_is_said_at_once(api: APIClient) -> None:
    body = {"name": "a..b", "type": "A", "value": "x", "zone": "example.test."}
    answer = api.post(RECORDS, body)
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [
        ("/name", "invalid_name"),
        ("/value", "invalid_rdata"),
    ]
    assert pointers(api.post(RECORDS, {"ttl": "x", "b": 1})) == [
        ("/name", "required"),
        ("/type", "required"),
        ("/value", "required"),
        ("/ttl", "invalid_type"),
        ("/b", "unknown_field"),
    ]


def test_the_zone_is_the_longest_registered_suffix(api: APIClient) -> None:
    world.make_zone("sub.example.test.")
    assert made(api, name="www.sub.example.test.")["zone"] == "sub.example.test."
    assert made(api, name="sub.example.test.")["zone"] == "sub.example.test."
    assert made(api, name="xsub.example.test.")["zone"] == "example.test."
    given = made(api, name="a.sub.example.test.", zone="example.test")
    assert given["zone"] == "example.test."


@pytest.mark.parametrize("given", [{"name": "www.example.org."}, {"zone": "b.test."}])
def test_a_name_in_no_registered_zone_is_404(
    api: APIClient, given: dict[str, str]
) -> None:
    assert_rejected(api.post(RECORDS, record(**given)), 404, "zone_not_found")


def test_the_ttl_is_that_of_the_rrset_else_of_the_zone(api: APIClient) -> None:
    Zone.objects.update(default_ttl=1234)
    assert made(api)["ttl"] == 1234
    assert made(api, value="192.0.2.2", ttl=60)["ttl"] == 60
    assert made(api, value="192.0.2.3")["ttl"] == 60
    assert made(api, value="192.0.2.4", ttl=None)["ttl"] == 60


def test_setting_the_ttl_sets_that_of_the_siblings_and_warns(
    api: APIClient, zone: Zone
) -> None:
    first = made(api, ttl=300)
    answer = api.post(RECORDS, record(value="192.0.2.2", ttl=60))
    (warning,) = answer.json()["warnings"]
    assert (warning["code"], warning["pointer"]) == ("ttl_shared", "/ttl")
    assert api.get(at(first)).json()["ttl"] == 60
    changed = api.patch(at(first), {"ttl": 90}).json()
    assert [each["code"] for each in changed["warnings"]] == ["ttl_shared"]
    assert world.wanted(zone) == {WWW: (90, ("192.0.2.1", "192.0.2.2"))}
    assert api.patch(at(first), {"ttl": 90}).json()["warnings"] == []


def test_the_same_record_again_is_a_conflict(api: APIClient, zone: Zone) -> None:
    made(api, type="AAAA", value="2001:db8::1")
    again = record("WWW.example.test", type="aaaa", value="2001:DB8:0::1")
    row = assert_rejected(api.post(RECORDS, again), 409, "record_exists")
    assert (row.zone, row.name, row.type) == (
        "example.test.",
        "www.example.test.",
        "AAAA",
    )
    assert Record.objects.count() == 1


def test_a_cname_beside_other_types_is_a_conflict(api: APIClient) -> None:
    made(api)
    alias = record(type="CNAME", value="a.example.test.")
    assert_rejected(api.post(RECORDS, alias), 409, "cname_conflict")


@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_update_keeps_the_id(api: APIClient, zone: Zone, method: str) -> None:
    shown = made(api, comment="old")
    send = getattr(api, method)
    answer = send(at(shown), {"value": "192.0.2.9", "ttl": 60, "comment": "new"})
    assert answer.status_code == 202
    new = answer.json()["record"]
    assert {**new, "updated_at": None} == {
        **shown,
        "value": "192.0.2.9",
        "ttl": 60,
        "comment": "new",
        "updated_at": None,
    }
    row = Request.objects.order_by("-pk")[0]
    assert (row.action, row.value, row.ttl) == ("update", "192.0.2.9", 60)
    deliver(zone)
    assert world.served(zone) == {WWW: (60, ("192.0.2.9",))}
    assert api.get(at(shown)).json()["status"] == "live"


def test_an_update_leaves_what_it_does_not_name(api: APIClient) -> None:
    shown = made(api, comment="kept", ttl=60)
    new = api.patch(at(shown), {"value": "192.0.2.9"}).json()["record"]
    assert (new["comment"], new["ttl"]) == ("kept", 60)
    new = api.patch(at(shown), {"comment": None}).json()["record"]
    assert (new["comment"], new["value"]) == (None, "192.0.2.9")


def test_an_update_to_what_is_there_is_a_conflict(api: APIClient) -> None:
    first = made(api)
    made(api, value="192.0.2.2")
    answer = api.patch(at(first), {"value": "192.0.2.2"})
    assert_rejected(answer, 409, "record_exists")


def test_what_was_read_may_be_sent_back(api: APIClient, zone: Zone) -> None:
    shown = made(api)
    deliver(zone)  # its status is another one by now
    answer = api.put(at(shown), {**shown, "ttl": 60})
    assert (answer.status_code, answer.json()["record"]["ttl"]) == (202, 60)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "00000000-0000-0000-0000-000000000000"),
        ("zone", "example.org."),
        ("name", "other.example.test."),
        ("type", "AAAA"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("links", {}),
    ],
)
def test_what_cannot_change_is_refused(api: APIClient, field: str, value: Any) -> None:
    shown = made(api)
    answer = api.put(at(shown), {**shown, field: value, "ttl": 60})
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [(f"/{field}", "read_only_field")]


@pytest.mark.parametrize("body", [{}, {"ttl": None}, {"value": None}, [], "x", None])
def test_an_update_of_nothing_is_refused(api: APIClient, body: Any) -> None:
    shown = made(api)
    assert_rejected(api.patch(at(shown), body), 400, "invalid")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"value": "x"}, "invalid_rdata", "/value"),
        ({"ttl": "x"}, "invalid", "/ttl"),
        ({"nothing": 1}, "invalid", "/nothing"),
    ],
)
def test_a_wrong_update_says_where(
    api: APIClient, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = api.patch(at(made(api)), body)
    assert_rejected(answer, 400, code)
    assert [where for where, _ in pointers(answer)] == [pointer]


def test_delete(api: APIClient, zone: Zone) -> None:
    shown, other = made(api), made(api, value="192.0.2.2")
    answer = api.delete(at(shown))
    body = answer.json()
    assert (answer.status_code, body["record"], body["warnings"]) == (202, None, [])
    assert body["links"] == {"request": f"/api/v1/requests/{body['request_id']}/"}
    gone = api.get(at(shown))
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert "request_id" not in gone.json()
    assert_rejected(api.delete(at(shown)), 404, "not_found")
    assert_rejected(api.patch(at(shown), {"ttl": 60}), 404, "not_found")
    assert api.get(at(other)).status_code == 200
    deliver(zone)
    assert world.served(zone) == {WWW: (300, ("192.0.2.2",))}


def test_the_id_is_kept_by_v2_writes_that_keep_the_rdata(api: APIClient) -> None:
    kept, lost = made(api), made(api, value="192.0.2.2")
    new = change("replace", "www", "192.0.2.1", "192.0.2.3", ttl=60)
    assert api.post(CHANGESETS, changeset(new)).status_code == 202
    shown = api.get(at(kept)).json()
    assert (shown["value"], shown["ttl"]) == ("192.0.2.1", 60)
    assert api.get(at(lost)).status_code == 404


def test_a_record_of_another_tokens_zone_is_404(api: APIClient) -> None:
    shown = made(api)
    other = caller("team-mail", zones=["mail.test."])
    assert other.get(at(shown)).status_code == 404
    assert_rejected(other.patch(at(shown), {"ttl": 60}), 404, "not_found")
    assert_rejected(other.delete(at(shown)), 404, "not_found")
    assert_rejected(other.post(RECORDS, record()), 404, "zone_not_found")
    given = other.post(RECORDS, record(zone="example.test."))
    assert_rejected(given, 404, "zone_not_found")
    assert other.get(RECORDS).json()["results"] == []
