"""/api/v2/explain/: why an RRset is, or is not, what the name servers answer."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from dns_records.models import Lane, Zone
from dns_records.services import delivery, explain, verification
from dns_records.tests import world
from dns_records.tests.callers import accepted, caller, change, image
from dns_records.tests.pretended import ONE, TWO, Servers, served_by
from dns_records.tests.test_nameservers import nameserver_zone
from dns_records.tests.test_verification_lag import until, wire_zone
from dnsorch import clock
from dnsorch.embedded import nameserver
from dnsorch.embedded.nameserver import Faults, running
from requests_tracker.api import tracking
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

EXPLAIN = "/api/v2/explain/"
A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def explained(
    api: APIClient, name: str = "www.example.test", rtype: str = "A"
) -> dict[str, Any]:
    """Return the answer for an RRset."""
    answer = api.get(EXPLAIN, {"name": name, "type": rtype})
    assert answer.status_code == 200, answer.json()
    body: dict[str, Any] = answer.json()
    return body


def live(zone: Zone, request: dict[str, Any]) -> None:
    """Have a request applied, and seen wherever it has to be."""
    row = Request.objects.get(pk=request["id"])

    def done() -> bool:
        delivery.drain(zone.pk)
        verification.check(zone.pk)
        row.refresh_from_db()
        return row.is_final

    until(done, row)
    assert row.status == "completed"


# --- on a development name server -----------------------------------------------------


def test_what_is_live_and_who_may_change_it() -> None:
    api = caller()
    caller("team-mail", zones=["example.test."])
    caller("auditor", zones=["example.test."], read_only=True)
    caller("elsewhere", zones=["other.test."])
    with running() as primary, running(primary=(primary.host, primary.port)) as second:
        zone = wire_zone(primary, second)
        request = accepted(api, change("create", "www", A1))
        live(zone, request)
        found = explained(api)
    since = max(
        each["seen_at"]
        for each in api.get(request["links"]["self"]).json()["changes"][0][
            "nameservers"
        ]
    )
    assert (found["live"], found["explanation"]) == (
        True,
        f"live on all 2 name servers since {since}",
    )
    assert (found["name"], found["type"], found["zone"]) == (
        "www.example.test.",
        "A",
        "example.test.",
    )
    assert found["backend"] == {"name": zone.backend.name, "driver": "rfc2136"}
    assert found["access"] == {
        "may_change": True,
        "why": "you may change all zones",
        "owners": [
            {"owner": "team-mail", "why": "a token for this zone"},
            {"owner": "team-web", "why": "a token for all zones"},
        ],
    }
    assert found["wanted"] == image(A1)
    row = Request.objects.get()
    assert found["last_request"] == {
        "id": str(row.pk),
        "status": "completed",
        "action": "changeset",
        "requester": "team-web",
        "received_at": clock.iso(row.received_at),
        "links": {"self": f"/api/v2/requests/{row.pk}/"},
    }
    assert found["pending_requests"] == []
    serial = found["nameservers"][0]["serial"]
    assert found["nameservers"] == [
        {
            "address": f"{server.host}:{server.port}",
            "serial": serial,
            "answer": image(A1),
            "as_wanted": True,
            "error": None,
        }
        for server in (primary, second)
    ]


def test_a_secondary_that_lags() -> None:
    api = caller()
    with running() as primary:
        address = (primary.host, primary.port)
        with running(primary=address) as second:
            zone = wire_zone(primary, second, verify_policy="primary")
            live(zone, accepted(api, change("create", "www", A1)))
            until(lambda: explained(api)["live"], Request.objects.get())
            second.faults = Faults(lag=60)
            live(zone, accepted(api, change("replace", "www", A2)))
            found = explained(api)
    first, behind = found["nameservers"]
    assert (found["live"], behind["answer"]) == (False, image(A1))
    assert found["explanation"] == (
        f"{behind['address']} still answers the old value, "
        f"serial {behind['serial']} < {first['serial']}"
    )
    assert first["serial"] > behind["serial"]


@pytest.mark.parametrize(
    ("name", "rtype", "live", "sentence"),
    [
        ("x.wild", "A", True, "absent, as wanted; the wildcard *.wild.example.test."),
        ("x.sub", "A", False, "hidden by the delegation of sub.example.test."),
        ("alias", "A", True, "nothing is wanted here, and the only name server has"),
        ("other.wild", "A", False, "127.0.0.1:{port} answers something else: 192.0"),
        ("nobody", "MX", True, "nothing is wanted here, and the only name server has"),
    ],
)
def test_what_others_have_put_there(
    name: str, rtype: str, live: bool, sentence: str
) -> None:
    with nameserver.running([nameserver_zone()]) as server:
        wire_zone(server)
        found = explained(caller(), f"{name}.example.test.", rtype)
    assert found["live"] is live
    assert found["explanation"].startswith(sentence.format(port=server.port))
    assert (found["wanted"], found["last_request"]) == (None, None)


# --- on its way -----------------------------------------------------------------------


def test_what_waits_in_the_lane(api: APIClient, zone: Zone) -> None:
    for name in ("a", "b", "c"):
        accepted(api, change("create", name, A1))
    waiting = accepted(api, change("create", "www", A1))
    found = explained(api)
    assert found["explanation"] == "waits in the lane behind 3 requests"
    assert found["live"] is False
    assert [each["id"] for each in found["pending_requests"]] == [waiting["id"]]
    assert explained(api, "a.example.test")["explanation"] == "is the next in the lane"


def test_a_lane_that_is_held_up(api: APIClient, zone: Zone) -> None:
    accepted(api, change("create", "www", A1))
    lane = Lane.objects.filter(zone=zone)
    lane.update(state="misconfigured", last_error="the key is not known")
    assert explained(api)["explanation"] == (
        "is the next in the lane, which is held up: the key is not known"
    )


def test_a_request_that_failed_is_the_last_and_not_what_counts(
    servers: Servers,
) -> None:
    api, zone = caller(), served_by(ONE, TWO)
    for address in (ONE, TWO):
        servers.serve(address, A1)
    live(zone, accepted(api, change("create", "www", A1)))
    last = accepted(api, change("replace", "www", A2))
    api.post(last["links"]["cancel"])
    found = explained(api)
    assert found["explanation"].startswith("live on all 2 name servers since 20")
    assert (found["last_request"]["id"], found["last_request"]["status"]) == (
        last["id"],
        "cancelled",
    )


def test_what_was_deleted(servers: Servers) -> None:
    api, zone = caller(), served_by(ONE, TWO)
    for address in (ONE, TWO):
        servers.serve(address, A1)
    live(zone, accepted(api, change("create", "www", A1)))
    for address in (ONE, TWO):
        servers.serve(address)
    live(zone, accepted(api, change("delete", "www")))
    assert explained(api)["explanation"].startswith("gone from all 2 name servers")
    servers.serve(TWO, A1)
    servers.serials = {ONE: 42, TWO: 41}
    found = explained(api)
    assert (found["live"], found["explanation"]) == (
        False,
        f"{TWO} still answers the old value, serial 41 < 42",
    )


# --- who is told what ---------------------------------------------------------------


def test_a_name_in_no_zone_or_in_that_of_others(api: APIClient) -> None:
    world.make_zone("other.test.")
    stranger = caller("team-mail", zones=["other.test."])
    nothing = explained(stranger)
    assert nothing == {
        "name": "www.example.test.",
        "type": "A",
        "zone": None,
        "backend": None,
        "access": None,
        "wanted": None,
        "last_request": None,
        "pending_requests": [],
        "nameservers": [],
        "live": False,
        "explanation": "www.example.test. is not in any registered zone",
    }
    elsewhere = explained(api, "www.nowhere.test.")
    assert elsewhere == nothing | {
        "name": "www.nowhere.test.",
        "explanation": "www.nowhere.test. is not in any registered zone",
    }


@pytest.mark.parametrize(
    ("wanted", "may_change", "why"),
    [
        ({"zones": ["example.test."]}, True, "your token is for this zone"),
        (
            {"zones": ["example.test."], "read_only": True},
            False,
            "your token may only read",
        ),
    ],
)
def test_a_token_for_some_zones_is_not_told_who_else_may(
    api: APIClient, wanted: dict[str, Any], may_change: bool, why: str
) -> None:
    found = explained(caller("team-mail", **wanted))
    assert found["access"] == {"may_change": may_change, "why": why, "owners": None}


def test_a_child_zone_is_looked_at_before_its_parent(api: APIClient) -> None:
    world.make_zone("sub.example.test.")
    found = explained(api, "www.sub.example.test")
    assert found["zone"] == "sub.example.test."


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"type": "A"}, "/name"),
        ({"name": "www.example.test"}, "/type"),
        ({"name": "www.example.test", "type": "A", "zone": "x"}, "/zone"),
    ],
)
def test_a_query_that_is_wrong(
    api: APIClient, query: dict[str, str], pointer: str
) -> None:
    answer = api.get(EXPLAIN, query)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("query", [("a..b", "A"), ("www.example.test", "AXFR")])
def test_what_is_no_name_or_type(api: APIClient, query: tuple[str, str]) -> None:
    answer = api.get(EXPLAIN, dict(zip(("name", "type"), query, strict=True)))
    assert answer.status_code == 400


def test_it_takes_one_of_the_threads_that_may_wait(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "_waiting", threading.BoundedSemaphore(1))
    explained(api)
    with tracking.thread_to_wait():
        answer = api.get(EXPLAIN, {"name": "www.example.test", "type": "A"})
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_waiting")
    assert answer.headers["Retry-After"] == "1"
    explained(api)


def test_it_ends_in_time_whatever_the_servers_do(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(explain, "BUDGET_S", 0.3)
    settings.DNSORCH_QUERY_TIMEOUT_S = 60.0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        served_by(*(f"127.0.0.{number}:{port}" for number in range(1, 2)))
        begin = time.monotonic()
        found = explained(caller())
    assert time.monotonic() - begin < 2
    assert found["explanation"] == f"127.0.0.1:{port} gives no answer: timed out"
