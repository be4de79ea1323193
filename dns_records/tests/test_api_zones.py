"""/api/v2/zones/: which zones dnsorch provisions, and how."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from dns_records.models import Backend, Lane, OwnerName, RRset, Zone
from dns_records.services import backends
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    WWW,
    ZONES,
    assert_rejected,
    caller,
    change,
    changeset,
    deliver,
    pointers,
)
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.tests.factories import steps

EXAMPLE = f"{ZONES}example.test/"


@pytest.fixture
def api(db: None) -> APIClient:
    """A client that may do all."""
    return caller()


@pytest.fixture
def backend(db: None) -> Backend:
    """A backend that no zone is on."""
    options = {"store": uuid4().hex}
    return backends.save(name="memory-1", driver="memory", options=options)


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a POST."""
    servers = ["192.0.2.53", "192.0.2.54:5353", "[2001:db8::53]:53"]
    return {
        "name": "Example.Test",
        "backend": "memory-1",
        "nameservers": servers,
        **fields,
    }


def test_register(api: APIClient, backend: Backend) -> None:
    verify = {"policy": "k-of-n", "k": 2, "deadline_s": 60}
    answer = api.post(
        ZONES, body(verify=verify, fencing="none", default_ttl=60, mode="exclusive")
    )
    row = Request.objects.get()
    shown = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v2/zones/example.test./"
    assert answer.headers["X-Tracker-Request"] == str(row.pk)
    assert shown.pop("request_id") == str(row.pk)
    assert shown == {
        "name": "example.test.",
        "name_unicode": "example.test.",
        "backend": "memory-1",
        "nameservers": ["192.0.2.53", "192.0.2.54:5353", "[2001:db8::53]:53"],
        "verify": verify,
        "fencing": "none",
        "default_ttl": 60,
        "min_ttl": None,
        "max_ttl": None,
        "mode": "exclusive",
        "ptr_policy": "off",
        "audit_interval_s": None,
        "serial": None,
        "counts": {"rrsets": 0, "records": 0, "pending_changes": 0},
        "lane": {"state": "ok", "not_before": None, "last_error": None},
        "links": {
            "self": "/api/v2/zones/example.test./",
            "rrsets": "/api/v2/zones/example.test./rrsets/",
            "drift": "/api/v2/zones/example.test./drift/",
        },
    }
    assert api.get(answer.headers["Location"]).json() == shown
    assert (row.action, row.status, row.zone) == (
        "register",
        "completed",
        "example.test.",
    )
    assert steps(row) == ["received", "stored", "completed"]
    assert OutboxEvent.objects.get().type == "completed"
    assert Lane.objects.count() == 1


def test_defaults(api: APIClient, backend: Backend) -> None:
    shown = api.post(ZONES, body()).json()
    assert shown["verify"] == {
        "policy": "all",
        "k": None,
        "deadline_s": settings.DNSORCH_VERIFY_DEADLINE_S,
    }
    assert (shown["fencing"], shown["mode"], shown["default_ttl"]) == (
        "marker",
        "exclusive",
        settings.DNSORCH_DEFAULT_TTL,
    )


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"name": "a..b"}, "invalid_name", "/name"),
        ({"name": "."}, "invalid_name", "/name"),
        ({"name": "*.test"}, "invalid_name", "/name"),
        ({"name": "_dnsorch.test"}, "reserved_name", "/name"),
        ({"name": 1}, "invalid", "/name"),
        ({"backend": "other"}, "backend_not_found", "/backend"),
        ({"backend": None}, "invalid", "/backend"),
        ({"nameservers": ["ns 1"]}, "invalid", "/nameservers/0"),
        ({"nameservers": ["192.0.2.1:x"]}, "invalid", "/nameservers/0"),
        ({"nameservers": ["192.0.2.1"] * 101}, "invalid", "/nameservers"),
        ({"nameservers": []}, "invalid", "/nameservers"),
        ({"verify": {"policy": "most"}}, "invalid", "/verify/policy"),
        ({"verify": {"policy": "k-of-n"}}, "invalid", "/verify/k"),
        ({"verify": {"policy": "k-of-n", "k": 4}}, "invalid", "/verify/k"),
        ({"verify": {"deadline_s": 0}}, "invalid", "/verify/deadline_s"),
        ({"verify": {"deadline_s": 10**12}}, "invalid", "/verify/deadline_s"),
        ({"verify": {"n": 1}}, "invalid", "/verify/n"),
        ({"verify": []}, "invalid", "/verify"),
        ({"fencing": "wire"}, "invalid", "/fencing"),
        ({"mode": "public"}, "invalid", "/mode"),
        ({"audit_interval_s": 59}, "invalid", "/audit_interval_s"),
        ({"default_ttl": 2**31}, "invalid", "/default_ttl"),
        ({"min_ttl": -1}, "invalid", "/min_ttl"),
        ({"max_ttl": 2**31}, "invalid", "/max_ttl"),
        ({"min_ttl": 600, "max_ttl": 300}, "invalid", "/min_ttl"),
        ({"min_ttl": 600, "default_ttl": 300}, "invalid", "/default_ttl"),
        ({"max_ttl": 60, "default_ttl": 300}, "invalid", "/default_ttl"),
        ({"serial": 1}, "invalid", "/serial"),
    ],
)
def test_a_wrong_body_says_where(
    api: APIClient, backend: Backend, fields: dict[str, Any], code: str, pointer: str
) -> None:
    answer = api.post(ZONES, body(**fields))
    row = assert_rejected(answer, 400, code)
    assert [where for where, _ in pointers(answer)] == [pointer]
    assert row.action == "register"
    assert not Zone.objects.exists()


def test_a_zone_is_registered_once(api: APIClient, backend: Backend) -> None:
    api.post(ZONES, body())
    again = api.post(ZONES, body(name="EXAMPLE.test."))
    row = assert_rejected(again, 409, "zone_exists")
    assert row.zone == "example.test."
    assert Zone.objects.count() == 1


def test_only_a_token_for_all_zones_changes_zones(zone: Zone, backend: Backend) -> None:
    limited = caller("team-mail", zones=["example.test."])
    for answer in (
        limited.post(ZONES, body(name="new.test")),
        limited.patch(EXAMPLE, {"default_ttl": 1}),
        limited.delete(EXAMPLE),
    ):
        assert_rejected(answer, 403, "forbidden")
    other = caller("other", zones=["mail.test."])
    for answer in (other.patch(EXAMPLE, {"default_ttl": 1}), other.delete(EXAMPLE)):
        assert_rejected(answer, 404, "zone_not_found")
    assert Zone.objects.get().default_ttl == 300


def test_list_and_pages(api: APIClient) -> None:
    for name in ("c.test.", "a.test.", "b.test."):
        world.make_zone(name)

    def named(url: str, who: APIClient = api) -> list[str]:
        return [each["name"] for each in who.get(url).json()["results"]]

    assert named(ZONES) == ["a.test.", "b.test.", "c.test."]
    limited = caller("team-mail", zones=["b.test."])
    assert named(ZONES, limited) == ["b.test."]
    first = api.get(f"{ZONES}?limit=2").json()
    assert named(first["next"]) == ["c.test."]
    assert named(api.get(first["next"]).json()["previous"]) == ["a.test.", "b.test."]


def test_counts_serial_and_lane(api: APIClient, zone: Zone) -> None:
    asked = changeset(
        change("add", "a", "192.0.2.1", "192.0.2.2"),
        change("add", "b", "192.0.2.1"),
    )
    world.make_zone("other.test.")
    api.post(CHANGESETS, asked)
    counts = api.get(EXAMPLE).json()["counts"]
    assert counts == {"rrsets": 2, "records": 3, "pending_changes": 2}
    deliver(zone)
    Zone.objects.filter(pk=zone.pk).update(serial=2**32 - 1)
    Lane.objects.filter(pk=zone.pk).update(state="unavailable", last_error="refused")
    shown = api.get(EXAMPLE).json()
    assert shown["counts"] == {"rrsets": 2, "records": 3, "pending_changes": 0}
    assert shown["serial"] == 2**32 - 1
    assert shown["lane"] == {
        "state": "unavailable",
        "not_before": None,
        "last_error": "refused",
    }


def test_change(api: APIClient, zone: Zone) -> None:
    answer = api.patch(EXAMPLE, {"default_ttl": 60, "verify": {"deadline_s": 7}})
    row, shown = Request.objects.get(), answer.json()
    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/api/v2/requests/{row.pk}/"
    assert shown["request_id"] == answer.headers["X-Tracker-Request"] == str(row.pk)
    assert (shown["default_ttl"], shown["verify"]["deadline_s"]) == (60, 7)
    assert shown["verify"]["policy"] == "none"
    assert (row.action, row.status) == ("change_zone", "completed")


def test_ttl_limits_are_set_and_lifted(api: APIClient, zone: Zone) -> None:
    shown = api.patch(EXAMPLE, {"min_ttl": 60, "max_ttl": 3600}).json()
    assert (shown["min_ttl"], shown["max_ttl"]) == (60, 3600)
    assert_rejected(api.patch(EXAMPLE, {"default_ttl": 30}), 400, "invalid")
    low = changeset({**change("add", "a", "192.0.2.1"), "ttl": 59})
    assert_rejected(api.post(CHANGESETS, low), 400, "ttl_out_of_range")
    assert api.patch(EXAMPLE, {"min_ttl": None}).json()["min_ttl"] is None
    assert api.post(CHANGESETS, low).status_code == 202


def test_what_was_read_may_be_sent_back(api: APIClient, zone: Zone) -> None:
    written = api.patch(EXAMPLE, {"default_ttl": 60}).json()
    api.post(CHANGESETS, changeset(change("add", "a", "192.0.2.1")))
    answer = api.patch(EXAMPLE, {**written, "default_ttl": 61})
    assert (answer.status_code, answer.json()["default_ttl"]) == (200, 61)
    renamed = api.patch(EXAMPLE, {"name": "other.test."})
    assert_rejected(renamed, 400, "invalid")
    assert pointers(renamed) == [("/name", "read_only_field")]


def test_a_change_that_cannot_be_met(api: APIClient, zone: Zone) -> None:
    answer = api.patch(EXAMPLE, {"verify": {"policy": "all"}})
    row = assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/nameservers", "invalid")]
    assert row.zone == "example.test."
    servers = {"nameservers": ["192.0.2.53"], "verify": {"policy": "all"}}
    assert api.patch(EXAMPLE, servers).status_code == 200


def test_another_backend_needs_an_empty_lane(
    api: APIClient, zone: Zone, backend: Backend
) -> None:
    asked = {"backend": "memory-1"}
    api.post(CHANGESETS, changeset(change("add", "a", "192.0.2.1")))
    assert_rejected(api.patch(EXAMPLE, asked), 409, "lane_not_empty")
    same = api.patch(EXAMPLE, {"backend": zone.backend.name})
    assert same.status_code == 200
    deliver(zone)
    assert Lane.objects.get().marker_epoch > 0
    answer = api.patch(EXAMPLE, asked)
    assert (answer.status_code, answer.json()["backend"]) == (200, "memory-1")
    assert Lane.objects.get().marker_epoch == 0
    unknown = api.patch(EXAMPLE, {"backend": "none"})
    assert_rejected(unknown, 400, "backend_not_found")


def test_forget_an_empty_zone(api: APIClient, zone: Zone) -> None:
    answer = api.delete(EXAMPLE)
    row = Request.objects.get()
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["X-Tracker-Request"] == str(row.pk)
    assert answer.headers["Location"] == f"/api/v2/requests/{row.pk}/"
    assert (row.action, row.status, row.zone) == (
        "forget_zone",
        "completed",
        "example.test.",
    )
    assert api.get(EXAMPLE).json()["code"] == "zone_not_found"
    assert_rejected(api.delete(EXAMPLE), 404, "zone_not_found")


def test_a_zone_with_records_is_forgotten_by_force_only(
    api: APIClient, zone: Zone
) -> None:
    api.put(WWW, {"records": ["192.0.2.1"]})
    for url in (EXAMPLE, f"{EXAMPLE}?force=true"):
        assert_rejected(api.delete(url), 409, "lane_not_empty")
    deliver(zone)
    assert_rejected(api.delete(EXAMPLE), 409, "zone_not_empty")
    assert_rejected(api.delete(f"{EXAMPLE}?force=false"), 409, "zone_not_empty")
    assert_rejected(api.delete(f"{EXAMPLE}?force=x"), 400, "invalid")
    assert api.delete(f"{EXAMPLE}?force=true").status_code == 204
    assert not RRset.objects.exists() and not OwnerName.objects.exists()
    # DNS itself is not touched.
    assert world.served(zone) == {("www.example.test.", "A"): (300, ("192.0.2.1",))}


def test_a_zone_that_once_had_records_is_empty(api: APIClient, zone: Zone) -> None:
    api.put(WWW, {"records": ["192.0.2.1"]})
    api.delete(WWW)
    deliver(zone)
    assert api.delete(EXAMPLE).status_code == 204


def test_requests_outlive_their_zone(api: APIClient, zone: Zone) -> None:
    answer = api.put(WWW, {"records": ["192.0.2.1"]})
    deliver(zone)
    api.delete(f"{EXAMPLE}?force=true")
    shown = api.get(answer.headers["Location"]).json()
    assert (shown["status"], shown["zone"]) == ("completed", "example.test.")
