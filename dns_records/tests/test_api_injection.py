"""What a client writes stays what it is: in zones, logs, timelines and admin pages."""

from __future__ import annotations

import html
import json
import logging

import pytest
from django.test import Client
from rest_framework.test import APIClient

from dns_records.models import Record, Zone
from dns_records.services import delivery
from dns_records.tests.callers import (
    BATCH,
    RECORDS,
    ZONES,
    assert_rejected,
    caller,
    deliver,
    made,
    record,
)
from dns_records.tests.test_api_errors import NO_ONE
from dns_records.tests.world import make_zone, messages, served
from dnsorch.logging import escape_event
from requests_tracker.models import OutboxEvent, Request

LINE = "192.0.2.1\nevil.example.test. 60 IN A 203.0.113.66"
SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("rtype", "value"),
    [
        ("A", LINE),
        ("A", "192.0.2.1\r\n$INCLUDE /etc/passwd"),
        ("A", "192.0.2.1 ; evil"),
        ("A", "( 192.0.2.1\n)"),
        ("A", "192.0.2.1\\010evil"),
        ("A", "192.0.2.1 203.0.113.66"),
        ("CNAME", "x.test.\n$ORIGIN evil.test."),
        ("CNAME", "x.test. IN A 203.0.113.66"),
        ("CNAME", "$INCLUDE."),
        ("MX", "10 (mail.test.)"),
        ("TXT", "$INCLUDE /etc/passwd\n"),
        ("TXT", '"a" ; "b"'),
        ("TXT", '"a" ( "b" )'),
        ("TXT", '"a"\n"b"'),
        ("TXT", "\\# 4 C0000201"),
        ("TXT", 'a" "b'),
        ("CAA", '0 issue "a"\n'),
    ],
)
def test_one_value_is_never_more_than_one(
    api: APIClient, zone: Zone, rtype: str, value: str
) -> None:
    answer = api.post(RECORDS, record(type=rtype, value=value))
    row = assert_rejected(answer, 400, answer.json()["code"])
    assert row.error_code in {"invalid_rdata", "invalid_name"}
    assert not Record.objects.exists()
    deliver(zone)
    assert served(zone) == {}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("$INCLUDE /etc/passwd", '"$INCLUDE /etc/passwd"'),
        ("a;b (c)", '"a;b (c)"'),
        ("a\\010b\\000c", '"a\\010b\\000c"'),
        ("=cmd|' /C calc'!A0", "\"=cmd|' /C calc'!A0\""),
        ('\\"; evil', '"\\"; evil"'),
    ],
)
def test_what_a_zone_file_would_take_for_more_is_quoted(
    api: APIClient, zone: Zone, value: str, stored: str
) -> None:
    assert made(api, type="TXT", value=value)["value"] == stored
    delivery.drain(zone.pk)
    marker_only, sent = messages(zone)
    assert (marker_only, sent) == ([], [("www.example.test.", "TXT", (stored,))])


@pytest.mark.parametrize(
    "name", ["a\nb", "$INCLUDE", "a;b", "(a", 'a"b', "a b", "a\\010b", "a\\000b", "@x"]
)
def test_a_name_is_a_name(api: APIClient, name: str) -> None:
    answer = api.post(RECORDS, record(name, zone="example.test."))
    assert_rejected(answer, 400, "invalid_name")


def test_no_value_makes_a_line_of_the_log(
    api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    forged = 'x\n{"event": "request accepted", "owner": "admin"}\r\x1b[2J\u2028'
    caplog.set_level(logging.DEBUG)
    api.get(f"{ZONES}{forged.replace('/', '')}/".replace("\n", "%0A"))
    api.post(RECORDS, record(comment=forged, value=forged), headers={"X-Evil": "x"})
    api.post(BATCH, {"items": [{"on_behalf_of": forged, "correlation_id": forged}]})
    assert caplog.records
    for each in caplog.records:
        event = each.msg if isinstance(each.msg, dict) else {"event": each.getMessage()}
        assert "\n" not in json.dumps(event, default=str)
        shown = escape_event(None, "", dict(event)).values()
        assert not any(c in str(text) for text in shown for c in "\n\r\x1b\u2028")


def test_the_timeline_repeats_nothing_that_is_not_escaped(api: APIClient) -> None:
    answer = api.post(RECORDS, record(value=LINE))
    row = assert_rejected(answer, 400, "invalid_rdata")
    for event in row.events.all():
        assert event.message.isprintable(), event.message
    assert answer.json()["detail"].isprintable()


def test_a_script_is_a_text_on_every_page(api: APIClient, admin_client: Client) -> None:
    consumer = caller("kafka", source="kafka")
    item = {"record": {"action": "create", **record(comment=SCRIPT)}}
    consumer.post(BATCH, {"items": [{"on_behalf_of": SCRIPT, **item}]})
    api.post(RECORDS, record(SCRIPT, type=SCRIPT[:20], value=SCRIPT, comment=SCRIPT))
    api.post(ZONES, {"name": SCRIPT, "backend": SCRIPT})
    pages = ["", *(f"{row.pk}/change/" for row in Request.objects.all())]
    seen = ""
    for page in pages:
        url = f"/admin/requests_tracker/request/{page}"
        seen += admin_client.get(url).content.decode()
    for model in ("record", "rrset", "change", "zone"):
        answer = admin_client.get(f"/admin/dns_records/{model}/?q={SCRIPT}")
        seen += answer.content.decode()
    assert "<script>alert" not in seen
    assert html.escape(SCRIPT) in seen


def test_another_owners_objects_are_not_there(api: APIClient, zone: Zone) -> None:
    make_zone("mail.test.")
    shown = made(api)
    (row,) = Request.objects.all()
    stranger = caller("team-mail", zones=["mail.test."])
    rrset = f"{ZONES}example.test/rrsets/www/A/"
    for url in (
        shown["links"]["self"],
        f"/api/v1/requests/{row.pk}/",
        f"/api/v2/requests/{row.pk}/",
        f"/api/v2/requests/{row.pk}/events/",
        rrset,
        f"{ZONES}example.test/",
        f"{ZONES}example.test/rrsets/",
    ):
        theirs, none = stranger.get(url), stranger.get(url.replace(str(row.pk), NO_ONE))
        assert (theirs.status_code, none.status_code) == (404, 404), url
    for method, url in (
        ("put", shown["links"]["self"]),
        ("delete", shown["links"]["self"]),
        ("post", f"/api/v2/requests/{row.pk}/cancel/"),
        ("post", f"/api/v2/requests/{row.pk}/retry/"),
        ("put", rrset),
        ("delete", rrset),
        ("delete", f"{ZONES}example.test/"),
    ):
        field = {"records": ["192.0.2.9"]} if url == rrset else {"value": "192.0.2.9"}
        assert getattr(stranger, method)(url, field).status_code == 404, (method, url)
    item = {"record": {"action": "delete", "id": shown["id"]}}
    (result,) = stranger.post(BATCH, {"items": [item]}).json()["results"]
    assert result["status"] == 404
    for url in (RECORDS, f"{ZONES}", "/api/v1/requests/?zone=example.test"):
        listed = stranger.get(url).json()["results"]
        assert [each for each in listed if "example.test" in each.get("name", "")] == []
    assert Record.objects.count() == 1
    assert OutboxEvent.objects.exclude(request__requester="team-mail").count() == 0
