"""Errors of every kind: problem documents, and which of them leave a row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from dns_records.api.v2.changesets import ChangesetViewSet
from dns_records.models import OwnerName, RRset, Zone
from dns_records.services import changes
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    WWW,
    ZONES,
    assert_rejected,
    assert_untracked,
    caller,
    change,
    changeset,
    pointers,
    record,
)
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.services import acceptance

NO_ONE = "00000000-0000-4000-8000-000000000000"
ADD = changeset(change("add", "www", "192.0.2.1"))
WRITES = [
    ("post", RECORDS),
    ("put", f"{RECORDS}{NO_ONE}/"),
    ("patch", f"{RECORDS}{NO_ONE}/"),
    ("post", CHANGESETS),
    ("post", BATCH),
    ("put", WWW),
    ("post", ZONES),
    ("patch", f"{ZONES}example.test/"),
]
BODILESS = [
    ("delete", f"{RECORDS}{NO_ONE}/"),
    ("delete", WWW),
    ("delete", f"{ZONES}example.test/"),
    ("post", f"/api/v2/requests/{NO_ONE}/cancel/"),
    ("post", f"/api/v2/requests/{NO_ONE}/retry/"),
    ("post", f"/api/v2/requests/{NO_ONE}/revert/"),
]


def send_raw(api: APIClient, method: str, url: str, raw: Any, **more: Any) -> Any:
    """Send a body as it is."""
    given = {"content_type": "application/json", **more}
    return api.generic(method.upper(), url, raw, **given)


@pytest.mark.parametrize(("method", "url"), WRITES)
def test_malformed_json_is_tracked(api: APIClient, method: str, url: str) -> None:
    answer = send_raw(api, method, url, b'{"zone": ')
    row = assert_rejected(answer, 400, "malformed_body")
    assert pointers(answer) == [("", "invalid_json")]
    assert row.requester == "team-web"
    assert row.zone == ""
    steps = list(row.events.values_list("step", flat=True))
    assert steps == ["received", "rejected"]
    assert OutboxEvent.objects.get(request=row).type == "rejected"


@pytest.mark.parametrize(("method", "url"), WRITES)
def test_another_media_type_is_tracked(api: APIClient, method: str, url: str) -> None:
    answer = send_raw(api, method, url, b"a=b", content_type="text/plain")
    assert_rejected(answer, 415, "unsupported_media_type")
    answer = send_raw(
        api, method, url, b"{}", content_type="application/json; charset=latin-1"
    )
    assert_rejected(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"null", b"true", b"[[[]]]"])
def test_a_body_that_is_no_object_is_tracked(api: APIClient, raw: bytes) -> None:
    for method, url in WRITES:
        assert_rejected(send_raw(api, method, url, raw), 400, "invalid")


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"zone": "a", "zone": "b"}', "/zone"),
        (b'{"zone": "a\\u0000b"}', "/zone"),
        (b'{"changes": [{"name": "\\ud800"}]}', "/changes/0/name"),
        (b'{"a\\u0000": 1}', ""),
        (b"\xff", ""),
        (b'{"ttl": NaN}', ""),
        (b'{"ttl": 1e999}', ""),
        (b'{"ttl": %s}' % (b"9" * 5000), ""),
        (b"[" * 5000 + b"]" * 5000, ""),
        (b'{"changes": ' * 65 + b"1" + b"}" * 65, "/changes" * 64),
    ],
)
def test_what_can_be_read_in_two_ways_is_400(
    api: APIClient, raw: bytes, pointer: str
) -> None:
    answer = send_raw(api, "post", CHANGESETS, raw)
    assert_rejected(answer, 400, "malformed_body")
    assert [where for where, _ in pointers(answer)] == [pointer]


@pytest.mark.parametrize(("method", "url"), WRITES + BODILESS)
def test_a_read_only_token_may_not_write(zone: Zone, method: str, url: str) -> None:
    reader = caller("watcher", read_only=True)
    answer = getattr(reader, method)(url, ADD)
    row = assert_rejected(answer, 403, "read_only_token")
    assert (row.requester, row.api_version) == ("watcher", url.split("/")[2])
    assert not RRset.objects.exists()
    # Its own rejection is its own to read.
    assert reader.get(answer.json()["instance"]).json()["id"] == str(row.pk)


@pytest.mark.parametrize(
    ("method", "url", "action"),
    [
        ("post", RECORDS, "create"),
        ("put", f"{RECORDS}{NO_ONE}/", "update"),
        ("patch", f"{RECORDS}{NO_ONE}/", "update"),
        ("delete", f"{RECORDS}{NO_ONE}/", "delete"),
        ("post", CHANGESETS, "changeset"),
        ("post", BATCH, "batch"),
        ("put", WWW, "put"),
        ("delete", WWW, "delete"),
        ("post", ZONES, "register"),
        ("patch", f"{ZONES}example.test/", "change_zone"),
        ("delete", f"{ZONES}example.test/", "forget_zone"),
        ("post", f"/api/v2/requests/{NO_ONE}/cancel/", "cancel"),
        ("post", f"/api/v2/requests/{NO_ONE}/retry/", "retry"),
        ("post", f"/api/v2/requests/{NO_ONE}/revert/", "revert"),
    ],
)
def test_a_rejection_says_what_was_asked_for(
    api: APIClient, method: str, url: str, action: str
) -> None:
    answer = getattr(api, method)(url, {}, headers={"Idempotency-Key": "a b"})
    assert_rejected(answer, answer.status_code, answer.json()["code"])
    assert Request.objects.get().action == action


def test_without_a_token_there_is_no_row(zone: Zone) -> None:
    nobody, stranger = APIClient(), APIClient()
    stranger.credentials(HTTP_AUTHORIZATION="Bearer no-such-token")
    for method, url in WRITES + BODILESS:
        answer = getattr(nobody, method)(url, ADD)
        assert_untracked(answer, 401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="dnsorch"'
        assert_untracked(getattr(stranger, method)(url, ADD), 401, "invalid_token")
    assert not OwnerName.objects.exists()


@pytest.mark.parametrize(("method", "url"), WRITES[3:6])
def test_a_body_over_one_mebibyte_is_413(api: APIClient, method: str, url: str) -> None:
    raw = b'{"comment": "%s"}' % (b"x" * (1024 * 1024))
    assert_untracked(send_raw(api, method, url, raw), 413, "body_too_large")


def test_a_body_of_one_mebibyte_is_read(api: APIClient) -> None:
    raw = json.dumps(ADD).encode()
    raw += b" " * (1024 * 1024 - len(raw))
    assert send_raw(api, "post", CHANGESETS, raw).status_code == 202
    assert send_raw(api, "post", CHANGESETS, raw + b" ").status_code == 413


class Throttle(BaseThrottle):
    """Lets nobody in for half a minute."""

    def allow_request(self, request: Any, view: Any) -> bool:
        """Say no."""
        return False

    def wait(self) -> float:
        """Return the seconds to wait."""
        return 29.5


def test_a_throttled_write_leaves_no_row(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChangesetViewSet, "throttle_classes", [Throttle])
    for url in (CHANGESETS, BATCH):
        answer = api.post(url, ADD)
        assert_untracked(answer, 429, "throttled")
        assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize("where", ["before", "tracking"])
def test_a_busy_database_is_503_and_leaves_no_row(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def busy(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("database is locked")

    if where == "before":
        monkeypatch.setattr(changes, "submit", busy)
        answer = api.post(CHANGESETS, ADD)
    else:
        monkeypatch.setattr(acceptance, "run", busy)
        answer = send_raw(api, "post", CHANGESETS, b"{")
    assert_untracked(answer, 503, "database_busy")
    assert answer.headers["Retry-After"] == "1"


def test_an_error_of_ours_is_500_and_leaves_nothing(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no matter")

    monkeypatch.setattr(changes, "check_size", broken)
    answer = api.post(CHANGESETS, ADD)
    assert_untracked(answer, 500, "internal_error")
    assert "no matter" not in answer.content.decode()
    assert not RRset.objects.exists()


@pytest.mark.parametrize("value", ["yes", "True", "1", ""])
def test_a_dry_run_is_true_or_false(api: APIClient, value: str) -> None:
    answer = api.post(f"{CHANGESETS}?dry_run={value}", ADD)
    assert_rejected(answer, 400, "invalid")
    assert not RRset.objects.exists()
    assert api.post(f"{CHANGESETS}?dry_run=false", ADD).status_code == 202


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("post", ZONES),
        ("patch", f"{ZONES}example.test/"),
        ("delete", f"{ZONES}example.test/"),
        BODILESS[3],
    ],
)
def test_what_has_no_plan_is_not_done_instead(
    api: APIClient, method: str, url: str
) -> None:
    answer = getattr(api, method)(f"{url}?dry_run=true", {})
    assert_untracked(answer, 400, "invalid")
    assert Zone.objects.count() == 1


def test_a_method_that_is_not_there(api: APIClient) -> None:
    for answer in (api.delete(CHANGESETS), api.patch(WWW, {}), api.options(RECORDS)):
        assert_untracked(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"]


@pytest.mark.parametrize("url", [RECORDS, ZONES, WWW, "/api/v2/requests/"])
def test_an_answer_of_another_media_type_is_406(api: APIClient, url: str) -> None:
    answer = api.get(url, headers={"Accept": "text/html"})
    assert_untracked(answer, 406, "not_acceptable")


@pytest.mark.parametrize(
    "url",
    [
        "/api/v1/nothing/",
        "/api/v2/zones/example.test/nothing/",
        "/api/v9/requests/",
        "/api/v1/dns-records/%00/",
        "/api/v2//zones/",
        "/api/v2/requests/1/",
    ],
)
def test_a_url_that_is_not_there_is_404(api: APIClient, url: str) -> None:
    for answer in (api.get(url), api.post(url, ADD)):
        assert_untracked(answer, 404, "not_found")


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        (f"{ZONES}example.org/rrsets/www/A/", 404, "zone_not_found"),
        (f"{ZONES}a..b/rrsets/www/A/", 400, "invalid_name"),
        (f"{ZONES}%00/rrsets/www/A/", 400, "invalid_name"),
        (f"{ZONES}example.test/rrsets/a%00b/A/", 400, "invalid_name"),
        (f"{ZONES}example.test/rrsets/{'a' * 3000}/A/", 400, "invalid_name"),
        (f"{ZONES}example.test/rrsets/www/XXX/", 400, "unsupported_type"),
        (f"{ZONES}example.test/rrsets/www.example.org./A/", 400, "out_of_zone"),
        (f"{ZONES}example.test/rrsets/_dnsorch/TXT/", 400, "reserved_name"),
    ],
)
def test_a_wrong_name_in_the_url(
    api: APIClient, url: str, status: int, code: str
) -> None:
    put = api.put(url, {"records": ["192.0.2.1"]})
    assert_rejected(put, status, code)
    assert_rejected(api.delete(url), status, code)
    read = api.get(url)
    assert (read.status_code, read.json()["code"]) == (status, code)
    assert "request_id" not in read.json()


@pytest.mark.parametrize("query", ["\0", "\x7f", "%00", "a\nb", "x" * 4000])
def test_odd_text_in_a_filter_never_fails(api: APIClient, query: str) -> None:
    wanted = {
        "/api/v1/dns-records/": ("zone", "name", "type", "value", "search"),
        "/api/v2/zones/example.test/rrsets/": ("name", "type", "rdata", "search"),
        "/api/v2/requests/": (
            *("zone", "name", "requester", "correlation_id", "idempotency_key"),
            *("status", "source", "since", "until"),
        ),
    }
    for url, names in wanted.items():
        for name in (*names, "limit", "cursor"):
            answer = api.get(url, {name: query})
            assert answer.status_code in (200, 400), (url, name)


def test_another_tokens_zone_looks_like_none(api: APIClient) -> None:
    world.make_zone("mail.test.")
    limited = caller("team-mail", zones=["mail.test."])
    unknown = changeset(change("add", "www", "192.0.2.1"), zone="nowhere.test.")
    answers = [limited.post(CHANGESETS, body) for body in (ADD, unknown)]
    for answer, name in zip(answers, ("example.test.", "nowhere.test."), strict=True):
        row = assert_rejected(answer, 404, "zone_not_found")
        assert answer.json()["detail"] == f"no zone {name} is registered"
        assert pointers(answer) == [("/zone", "zone_not_found")]
        assert row.zone == ""
    assert_rejected(limited.put(WWW, {"records": ["192.0.2.1"]}), 404, "zone_not_found")
    assert_rejected(limited.delete(WWW), 404, "zone_not_found")
    for url in (WWW, f"{ZONES}example.test/", f"{ZONES}example.test/rrsets/"):
        answer = limited.get(url)
        assert (answer.status_code, answer.json()["code"]) == (404, "zone_not_found")
    assert not RRset.objects.exists()


def test_the_correlation_id_is_taken_echoed_and_kept(api: APIClient) -> None:
    answer = api.post(RECORDS, record(), headers={"X-Request-ID": "ci.web-1_2"})
    assert answer.headers["X-Request-ID"] == "ci.web-1_2"
    assert Request.objects.get().correlation_id == "ci.web-1_2"
    refused = api.post(RECORDS, record(), headers={"X-Request-ID": "no good"})
    row = assert_rejected(refused, 409, "record_exists")
    assert refused.headers["X-Request-ID"] == row.correlation_id != "no good"


def test_the_trace_is_kept(api: APIClient) -> None:
    parent = f"00-{'1' * 32}-{'2' * 16}-01"
    api.post(RECORDS, record(), headers={"traceparent": parent})
    assert Request.objects.get().traceparent == parent


def test_an_owner_and_a_key_of_the_greatest_length_fit(zone: Zone) -> None:
    api = caller("o" * 128)
    item = {"record": {"action": "create", **record()}}
    api.post(BATCH, {"items": [item] * 12}, headers={"Idempotency-Key": "k" * 255})
    for row in Request.objects.all():
        row.full_clean(exclude=["comment"])
    assert Request.objects.filter(idempotency_key=f"{'k' * 255}/11").count() == 1
