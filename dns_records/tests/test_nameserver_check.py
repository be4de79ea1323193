"""The check of name servers: what it says of each, and that it is bounded."""

from __future__ import annotations

import json
import socket

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from dns_records import tasks
from dns_records.models import Zone
from dns_records.nameservers import Report
from dns_records.services import nameserver_check
from dns_records.tests import world
from dns_records.tests.pretended import ONE, THREE, TWO, Servers, served_by
from dns_records.tests.test_nameservers import nameserver_zone
from dnsorch.embedded import nameserver
from dnsorch.operator_tasks.models import OperatorTask
from dnsorch.operator_tasks.outcome import Level, Outcome
from dnsorch.operator_tasks.tests.broker import Broker, use
from requests_tracker.tests.admin import said, staff

pytestmark = pytest.mark.django_db

ADMIN = "/admin/dns_records/zone/"
TASKS = "/admin/operator_tasks/operatortask/"
ZONE = "example.test."


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Put a broker of the test's own in the place of the real one."""
    return use(monkeypatch)


def report(
    serial: int | None, error: str | None = None, reached: bool = True
) -> Report:
    """Return what a name server said."""
    return Report(ONE, serial, {}, error, reached=reached)


PRIMARY = "answers with authority, serial 7 (the primary)"


@pytest.mark.parametrize(
    ("secondary", "level", "text"),
    [
        (report(7), "ok", "answers with authority, serial 7"),
        (report(6), "warning", "is behind: it has serial 6, the primary 7"),
        # RFC 1982: 2**32 - 1 comes before 7.
        (
            report(2**32 - 1),
            "warning",
            "is behind: it has serial 4294967295, the primary 7",
        ),
        (
            report(8),
            "warning",
            "differs from the primary: it has serial 8, not 7",
        ),
        (
            report(None, "timed out", reached=False),
            "problem",
            "gives no answer over TCP: timed out",
        ),
        (
            report(None, "example.test. SOA: REFUSED"),
            "problem",
            "does not answer with authority: example.test. SOA: REFUSED",
        ),
        (
            report(None),
            "problem",
            "says with authority that the zone has no SOA record",
        ),
    ],
)
def test_a_sentence_for_each_server(secondary: Report, level: str, text: str) -> None:
    first, second = nameserver_check.judge(ZONE, [report(7), secondary])
    assert (first.level, first.text) == (Level.OK, PRIMARY)
    assert (second.level, second.text) == (level, text)


def test_without_the_primary_a_serial_proves_nothing() -> None:
    broken = report(None, "timed out", reached=False)
    _, second = nameserver_check.judge(ZONE, [broken, report(7)])
    assert second.level == Level.WARNING
    assert second.text.endswith("serial 7; the primary's is not known")


def test_real_servers_are_asked_over_the_wire(settings: Settings) -> None:
    settings.DNSORCH_QUERY_TIMEOUT_S = 5.0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
    with nameserver.running([nameserver_zone()]) as server:
        address = f"{server.host}:{server.port}"
        good = served_by(address, closed)
        strange = served_by(address, name="strange.test.")
        outcome = nameserver_check.run([good.pk, strange.pk, 10_000])
    assert [(each.group, each.about, each.text) for each in outcome.findings] == [
        (ZONE, address, "answers with authority, serial 42 (the primary)"),
        (ZONE, closed, "gives no answer over TCP: Connection refused"),
        (
            "strange.test.",
            address,
            "does not answer with authority: strange.test. SOA: REFUSED",
        ),
        ("", "zone 10000", "is not registered any more"),
    ]
    assert outcome.summary == "1 of 3 name servers as they should be"
    assert outcome.level == Level.PROBLEM
    assert Outcome.load(outcome.as_dict()) == outcome


def test_the_check_ends_in_time_whatever_the_servers_do(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """One thread and silent servers: those that are left over are not asked."""
    monkeypatch.setattr(nameserver_check, "AT_ONCE", 1)
    monkeypatch.setattr(nameserver_check, "BUDGET_S", 0.3)
    settings.DNSORCH_QUERY_TIMEOUT_S = 60.0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        zone = served_by(address, address.replace("127.0.0.1", "localhost"))
        first, second = nameserver_check.run([zone.pk]).findings
    assert first.text == "gives no answer over TCP: timed out"
    assert second.text.endswith("there was no time left after 0.3 s")


def test_a_zone_without_name_servers_is_told(zone: Zone) -> None:
    (only,) = nameserver_check.run([zone.pk]).findings
    assert only.level == Level.WARNING
    assert only.text == "has no name servers to ask: changes are not verified"


def test_the_task_calls_the_service(servers: Servers) -> None:
    zone = served_by(ONE, TWO, THREE)
    servers.errors[THREE] = "REFUSED"
    done = tasks.check_nameservers([zone.pk])
    assert done["summary"] == "2 of 3 name servers as they should be"
    assert servers.whom() == [ONE, TWO, THREE]


# --- in the admin -----------------------------------------------------------------


def test_the_button_starts_it_for_one_zone(
    admin_client: Client, zone: Zone, operators: Broker
) -> None:
    page = f"{ADMIN}{zone.pk}/change/"
    assert "Check name servers</button>" in admin_client.get(page).content.decode()
    answer = admin_client.post(f"{ADMIN}{zone.pk}/check/")
    row = OperatorTask.objects.get()
    assert answer["Location"] == f"{TASKS}{row.pk}/change/"
    assert operators.sent == [(nameserver_check.TASK, {"zone_ids": [zone.pk]})]
    assert (row.started_by, row.about) == ("admin", {f"zone:{zone.pk}": ZONE})
    told = admin_client.get(page).content.decode()
    assert f'checked <a href="{TASKS}{row.pk}/change/">' in told
    assert "by admin: It waits for a worker." in told


def test_the_page_of_a_zone_shows_what_was_found_in_it_alone(
    admin_client: Client, servers: Servers, operators: Broker
) -> None:
    good, bad = served_by(ONE), served_by(TWO, name="bad.test.")
    servers.errors[TWO] = "REFUSED"
    task = nameserver_check.start(zones=[good, bad], started_by="anna")
    done = json.dumps(tasks.check_nameservers([good.pk, bad.pk]))
    OperatorTask.objects.filter(pk=task.pk).update(status="SUCCESS", result=done)
    pages = [
        admin_client.get(f"{ADMIN}{zone.pk}/change/").content.decode()
        for zone in (good, bad)
    ]
    assert [page.count("ok</span> Name servers checked") for page in pages] == [1, 0]
    assert f"<li>{ONE} answers with authority, serial 1 (the primary)</li>" in pages[0]
    assert f"<li>{TWO}" not in pages[0]
    assert "problem</span> Name servers checked" in pages[1]
    assert f"<li>{TWO} does not answer with authority: REFUSED</li>" in pages[1]


def test_the_action_starts_one_task_for_all(
    admin_client: Client, zone: Zone, operators: Broker
) -> None:
    other = world.make_zone("other.test.")
    chosen = {
        "action": "check_nameservers",
        "_selected_action": [other.pk, zone.pk],
    }
    admin_client.post(ADMIN, chosen)
    assert operators.sent == [
        (nameserver_check.TASK, {"zone_ids": [zone.pk, other.pk]})
    ]
    assert OperatorTask.objects.count() == 1


def test_too_many_zones_are_refused(
    admin_client: Client,
    zone: Zone,
    operators: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nameserver_check, "MAX_ZONES", 1)
    other = world.make_zone("other.test.")
    chosen = {
        "action": "check_nameservers",
        "_selected_action": [other.pk, zone.pk],
    }
    answer = admin_client.post(ADMIN, chosen)
    assert said(answer) == [("error", "at most 1 zones are checked at once")]
    assert operators.sent == []


def test_without_the_broker_it_is_said_and_nothing_is_left(
    admin_client: Client, zone: Zone, operators: Broker
) -> None:
    operators.go_down()
    answer = admin_client.post(f"{ADMIN}{zone.pk}/check/")
    assert said(answer) == [
        ("error", "The broker takes no tasks now, so nothing was started.")
    ]
    assert answer["Location"] == f"{ADMIN}{zone.pk}/change/"
    assert OperatorTask.objects.count() == 0


def test_only_who_may_starts_a_check(
    client: Client, zone: Zone, operators: Broker
) -> None:
    staff(client, "view_zone")
    page = client.get(f"{ADMIN}{zone.pk}/change/").content.decode()
    assert "Check name servers" not in page
    assert client.post(f"{ADMIN}{zone.pk}/check/").status_code == 403
    chosen = {"action": "check_nameservers", "_selected_action": [zone.pk]}
    client.post(ADMIN, chosen)
    assert operators.sent == []


def test_who_may_check_but_not_look_is_led_home(
    client: Client, zone: Zone, operators: Broker
) -> None:
    staff(client, "check_nameservers")
    answer = client.post(f"{ADMIN}{zone.pk}/check/")
    assert answer["Location"] == "/admin/"
    assert len(operators.sent) == 1


def test_a_check_is_started_by_post_with_a_token(zone: Zone, operators: Broker) -> None:
    strict = Client(enforce_csrf_checks=True)
    staff(strict, "check_nameservers")
    assert strict.get(f"{ADMIN}{zone.pk}/check/").status_code == 405
    assert strict.post(f"{ADMIN}{zone.pk}/check/").status_code == 403
    assert operators.sent == []


def test_a_zone_that_is_not_there_is_not_found(
    admin_client: Client, operators: Broker
) -> None:
    assert admin_client.post(f"{ADMIN}7/check/").status_code == 404
