"""/api/v2/zones/{zone}/import/, export/, check/."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from dns_records import nameservers
from dns_records.api.v2 import zone_life
from dns_records.models import Zone, ZoneImport
from dns_records.nameservers import Answer, Question, Report
from dns_records.providers.memory import Faults
from dns_records.services import import_run, imports
from dns_records.tests import world
from dns_records.tests.callers import assert_rejected, caller, deliver
from dns_records.tests.world import ZONE, add, draft, post, put_into_dns, wanted
from requests_tracker.api import tracking
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

IMPORT = "/api/v2/zones/example.test/import/"
EXPORT = "/api/v2/zones/example.test/export/"
CHECK = "/api/v2/zones/example.test/check/"
A = "192.0.2.1"


def send(api: APIClient, text: str, url: str = IMPORT, **headers: str) -> Any:
    """Post a zone file."""
    return api.generic("POST", url, text, content_type="text/dns", headers=headers)


def exported(api: APIClient) -> str:
    """Return the zone as a zone file."""
    answer: Any = api.get(EXPORT)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def run(zone: Zone) -> None:
    """Work on what is to be imported until nothing is left."""
    while import_run.run(zone.pk):
        pass


# --- import ---------------------------------------------------------------------------


def test_import_is_tracked_and_shows_its_progress(zone: Zone, api: APIClient) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    answer = api.post(IMPORT, {})
    shown = answer.json()
    assert answer.status_code == 202
    assert (shown["action"], shown["status"], shown["zone"]) == (
        "import",
        "queued",
        ZONE,
    )
    assert answer.headers["Location"] == shown["links"]["self"]
    assert shown["progress"] == {
        "phase": "reading",
        "percent": None,
        "records": 0,
        "total": None,
        "eta_s": None,
        "counts": {},
        "left_out": [],
    }

    run(zone)

    shown = api.get(shown["links"]["self"]).json()
    assert shown["status"] == "completed"
    assert (shown["progress"]["percent"], shown["progress"]["total"]) == (100, 1)
    assert shown["progress"]["counts"]["taken"] == 1
    # There may be a hundred thousand.
    assert shown["changes"] == []
    www = api.get("/api/v2/zones/example.test/rrsets/www/A/").json()
    assert (www["records"], www["status"]) == ([A], "live")


def test_another_request_has_no_progress(zone: Zone, api: APIClient) -> None:
    request = add("www", A)
    assert api.get(f"/api/v2/requests/{request.pk}/").json()["progress"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"source": "transfer"}, "source_not_available"),
        ({"source": "file"}, "invalid_choice"),
        ({"from": "api"}, "unknown_field"),
    ],
)
def test_what_is_refused_is_tracked(
    zone: Zone, api: APIClient, body: dict[str, str], code: str
) -> None:
    answer = api.post(IMPORT, body)
    assert_rejected(answer, 400, answer.json()["code"])
    assert [each["code"] for each in answer.json()["errors"]] == [code]


def test_who_may_import(zone: Zone) -> None:
    reader = caller("watcher", zones=[ZONE], read_only=True)
    assert reader.post(IMPORT, {}).status_code == 403
    assert reader.get(EXPORT).status_code == 200
    stranger = caller("stranger", zones=["example.org."])
    for method, url in (("post", IMPORT), ("get", EXPORT), ("post", CHECK)):
        assert getattr(stranger, method)(url).json()["code"] == "zone_not_found"


@pytest.mark.django_db(transaction=True)
def test_a_zone_file(zone: Zone, api: APIClient) -> None:
    answer = send(api, f"$TTL 60\nwww A {A}\nbücher TXT ü\n")
    assert answer.status_code == 202
    run(zone)
    deliver(zone)
    shown = api.get(answer.json()["links"]["self"]).json()
    assert shown["status"] == "completed"
    assert len(shown["parts"]) == 1
    assert set(wanted(zone)) == {
        ("www.example.test.", "A"),
        ("xn--bcher-kva.example.test.", "TXT"),
    }


def test_a_wrong_zone_file_is_refused_at_the_door(zone: Zone, api: APIClient) -> None:
    answer = send(api, "$TTL 60\n$INCLUDE x\n")
    row = assert_rejected(answer, 400, "invalid_zone_file")
    assert row.action == "import"
    (reason,) = answer.json()["errors"]
    assert reason["code"] == "directive_refused" and "line 2:" in reason["detail"]


def test_the_same_file_under_one_key_is_taken_once(zone: Zone, api: APIClient) -> None:
    first = send(api, "$TTL 60\nwww A 192.0.2.1\n", **{"Idempotency-Key": "k"})
    again = send(api, "$TTL 60\nwww A 192.0.2.1\n", **{"Idempotency-Key": "k"})
    other = send(api, "$TTL 60\nwww A 192.0.2.2\n", **{"Idempotency-Key": "k"})
    assert again.json()["id"] == first.json()["id"]
    assert other.status_code == 422
    assert ZoneImport.objects.count() == 1


def test_a_zone_file_may_be_larger_than_other_bodies(
    zone: Zone, api: APIClient, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "READ_AT_ONCE", 0)
    comment = "; " + 1022 * "x" + "\n"
    text = "$TTL 60\nwww A 192.0.2.1\n" + 1200 * comment
    answer = send(api, text)
    assert answer.status_code == 202
    assert len(
        b"".join(ZoneImport.objects.get().pieces.values_list("octets", flat=True))
    ) == len(text)

    settings.DNSORCH_IMPORT_MAX_OCTETS = 1024 * 1024
    answer = send(api, text)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_zone_file_is_no_body_of_anything_else(zone: Zone, api: APIClient) -> None:
    assert send(api, "x", "/api/v2/changesets/").status_code == 415
    gzip = send(api, "x", **{"Content-Encoding": "gzip"})
    assert gzip.status_code == 415


# --- dry run --------------------------------------------------------------------------


def test_a_dry_run_counts_and_stores_nothing(zone: Zone, api: APIClient) -> None:
    put_into_dns(zone, ZONE, "SOA", "a. b. 1 2 3 4 5")
    put_into_dns(zone, "new.example.test.", "A", A)
    put_into_dns(zone, "x.example.test.", "TYPE65280", "\\# 1 00")
    add("same", A)
    add("other", A)
    deliver(zone)
    put_into_dns(zone, "other.example.test.", "A", "192.0.2.9")
    before = wanted(zone), Request.objects.count()

    answer = api.post(f"{IMPORT}?dry_run=true", {})

    assert answer.status_code == 200
    shown = answer.json()
    assert shown["left_out"].pop()["code"] == "unsupported_type"
    assert shown == {
        "zone": ZONE,
        "source": "api",
        "records": 4,
        "counts": {"new": 1, "changed": 1, "same": 1, "left_out": 1, "own": 2},
        "left_out": [],
    }
    assert (wanted(zone), Request.objects.count()) == before


def test_a_dry_run_of_a_file(zone: Zone, api: APIClient) -> None:
    answer = send(
        api, "$TTL 60\nwww A 192.0.2.1\n@ SOA a b 1 2 3 4 5\n", f"{IMPORT}?dry_run=true"
    )
    assert answer.json()["counts"] == {
        "new": 1,
        "changed": 0,
        "same": 0,
        "left_out": 0,
        "own": 1,
    }
    answer = send(api, "$TTL 60\nx CNAME y\nx A 192.0.2.1\n", f"{IMPORT}?dry_run=true")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_zone_file")
    assert not Request.objects.exists()


def test_a_dry_run_that_cannot_be_made(
    zone: Zone, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    monkeypatch.setattr(zone_life, "DRY_RUN_S", 0.0)
    answer = api.post(f"{IMPORT}?dry_run=true", {})
    assert (answer.status_code, answer.json()["code"]) == (400, "dry_run_too_long")
    world.store_of(zone).faults = Faults(unreachable=True)
    answer = api.post(f"{IMPORT}?dry_run=true", {})
    assert (answer.status_code, answer.json()["code"]) == (503, "backend_unreachable")


# --- export ---------------------------------------------------------------------------


@pytest.fixture
def primary(monkeypatch: pytest.MonkeyPatch, zone: Zone) -> None:
    """Have a name server that tells SOA and NS."""
    zone.nameservers = ["192.0.2.53"]
    zone.save()

    def ask(address: str, name: str, questions: list[Question], **_: float) -> Report:
        soa = Answer(3600, (f"ns1.{name} host.{name} 7 3600 600 604800 300",))
        told = {"SOA": soa, "NS": Answer(3600, (f"ns1.{name}",))}
        found = {each: told[each.type] for each in questions}
        return Report(address, 7, found, None)

    monkeypatch.setattr(nameservers, "ask", ask)


@pytest.mark.usefixtures("primary")
def test_export_is_what_is_wanted(zone: Zone, api: APIClient) -> None:
    post(
        draft("put", "www", "A", A, "192.0.2.2", ttl=60),
        draft("put", "@", "TXT", '"a;b" "\\"c"'),
    )
    post(draft("put", "gone", "A", A))
    post(draft("delete", "gone", "A"))
    answer: Any = api.get(EXPORT, headers={"Accept": "text/dns"})
    assert answer.headers["Content-Type"] == "text/dns; charset=utf-8"
    assert "example.test.zone" in answer.headers["Content-Disposition"]
    first, *rest = b"".join(answer.streaming_content).decode().splitlines()
    assert first.startswith("; example.test. as dnsorch wants it, 20")
    assert rest == [
        "$ORIGIN example.test.",
        "$TTL 300",
        "example.test. 3600 IN SOA ns1.example.test. host.example.test. "
        "7 3600 600 604800 300",
        "example.test. 3600 IN NS ns1.example.test.",
        'example.test. 300 IN TXT "a;b" "\\"c"',
        "www.example.test. 60 IN A 192.0.2.1",
        "www.example.test. 60 IN A 192.0.2.2",
    ]


def test_without_a_name_server_soa_and_ns_are_made_up(
    zone: Zone, api: APIClient
) -> None:
    add("www", A)
    text = exported(api)
    assert "; SOA and NS are made up, since no name server told: the zone has" in text
    assert "IN SOA ns.invalid." in text and "IN NS ns.invalid." in text


def checkzone(text: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Have BIND read a zone file."""
    binary = shutil.which("named-checkzone")
    if binary is None:
        pytest.skip("named-checkzone is not installed")
    path = tmp_path / "example.test.zone"
    path.write_text(text)
    command = [binary, "-i", "local", "-k", "fail", "-n", "fail", "example.test"]
    return subprocess.run(
        [*command, str(path)], capture_output=True, text=True, timeout=30
    )


@pytest.mark.usefixtures("primary")
def test_bind_takes_what_is_exported_without_a_word(
    zone: Zone, api: APIClient, tmp_path: Path
) -> None:
    post(
        draft("put", "ns1", "A", A),
        draft("put", "@", "MX", "10 ns1.example.test."),
        draft("put", "*.wild", "TXT", '"a b" "c"', '";"'),
        draft("put", "_sip._tcp", "SRV", "0 5 5060 ns1.example.test."),
        draft("put", "0/25.2", "NS", "ns1.example.test."),
        draft("put", "a\\.b", "TXT", '"x"'),
        draft("put", "@", "CAA", '0 issue "ca.example.net"'),
    )
    done = checkzone(exported(api), tmp_path)
    assert done.stdout == "zone example.test/IN: loaded serial 7\nOK\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_bind_takes_a_zone_with_a_soa_that_is_made_up(
    zone: Zone, api: APIClient, tmp_path: Path
) -> None:
    add("www", A)
    done = checkzone(exported(api), tmp_path)
    assert done.stdout == "zone example.test/IN: loaded serial 1\nOK\n"


@pytest.mark.django_db(transaction=True)
def test_what_is_exported_can_be_imported(zone: Zone, api: APIClient) -> None:
    post(
        draft("put", "www", "A", A, ttl=60),
        draft("put", "@", "TXT", '"a;b" "\\"c"', '"ü"'),
        draft("put", "a\\.b", "CNAME", "www.example.test."),
        draft("put", "0/25", "NS", "ns.example.org."),
    )
    deliver(zone)
    text = exported(api)
    before = wanted(zone)
    assert before

    answer = send(api, text)
    run(zone)

    shown = api.get(answer.json()["links"]["self"]).json()
    assert shown["status"] == "completed"
    assert shown["progress"]["counts"]["same"] == len(before)
    assert wanted(zone) == before


# --- check ----------------------------------------------------------------------------


def test_check_says_what_each_name_server_answers(
    zone: Zone, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.nameservers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    zone.save()
    reports = {
        "192.0.2.1": Report("192.0.2.1", 9, {}, None),
        "192.0.2.2": Report("192.0.2.2", 8, {}, None),
        "192.0.2.3": Report("192.0.2.3", None, {}, "REFUSED"),
    }
    monkeypatch.setattr(nameservers, "ask", lambda address, *_, **__: reports[address])
    shown = api.post(CHECK).json()
    assert (shown["zone"], shown["ok"]) == (ZONE, False)
    assert [
        (each["authoritative"], each["serial"], each["error"], each["level"])
        for each in shown["nameservers"]
    ] == [
        (True, 9, None, "ok"),
        (True, 8, None, "warning"),
        (False, None, "REFUSED", "problem"),
    ]


def test_a_zone_that_nobody_serves_is_not_ok(zone: Zone, api: APIClient) -> None:
    assert api.post(CHECK).json() == {"zone": ZONE, "ok": False, "nameservers": []}


@pytest.mark.parametrize("path", ["check/", "import/?dry_run=true"])
def test_who_asks_others_takes_one_of_the_threads_that_may_wait(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(tracking, "_waiting", threading.BoundedSemaphore(1))
    where = f"/api/v2/zones/example.test/{path}"
    assert api.post(where).status_code == 200
    with tracking.thread_to_wait():
        answer = api.post(where)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_waiting")
    assert api.post(where).status_code == 200
