"""What is too much of anything: refused early, by a problem that says how much is not.

How large a body may be is tested with the middleware that refuses it, and what JSON
may be with the parser; here are the limits of names, lists, headers and queries.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records import rdata
from dns_records.models import OwnerName, RRset
from dns_records.services import wanted
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    WWW,
    ZONES,
    assert_rejected,
    assert_untracked,
    change,
    changeset,
    pointers,
    record,
)
from dns_records.tests.test_api_errors import NO_ONE, WRITES, send_raw
from dns_records.tests.world import address
from requests_tracker.models import Request

LABEL = "a" * 63
# With the zone and its dots: 64 + 64 + 64 + 48 + 15 octets on the wire, which is 255.
LONGEST = f"{LABEL}.{LABEL}.{LABEL}.{'a' * 48}"


def addresses(count: int) -> list[str]:
    """Return so many addresses."""
    return [address(number) for number in range(count)]


def reads_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if the value of a record is read."""

    def parse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a value was read")

    monkeypatch.setattr(rdata, "parse", parse)


# --- names ---------------------------------------------------------------------------


def test_the_longest_name_and_one_octet_more(api: APIClient) -> None:
    assert api.post(CHANGESETS, changeset(change("add", LONGEST, "192.0.2.1"))).data
    assert RRset.objects.get().name == f"{LONGEST}.example.test."
    for name, why in [
        (f"{LONGEST}a", "is longer than the 255 octets of a name"),
        (f"{LABEL}a", "has a label longer than 63 octets"),
        ("a" * 1100, "has a label longer than 63 octets"),
        ("a." * 300, "is longer than the 255 octets of a name"),
        ("é" * 100, "has a label longer than 63 octets"),
    ]:
        answer = api.post(CHANGESETS, changeset(change("add", name, "192.0.2.1")))
        assert_rejected(answer, 400, "invalid_name")
        assert pointers(answer) == [("/changes/0/name", "invalid_name")]
        assert why in answer.json()["detail"]
        assert len(answer.content) < 1000
    answer = api.post(CHANGESETS, changeset(change("add", "a" * 1101, "192.0.2.1")))
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes/0/name", "max_length")]


# --- lists ---------------------------------------------------------------------------


def test_ten_thousand_changes(api: APIClient) -> None:
    body = changeset(*[change("add", "www", "192.0.2.1")] * 10_000)
    answer = api.post(CHANGESETS, body)
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes", "max_length")]
    assert "no more than 1000 elements" in answer.json()["detail"]
    assert not OwnerName.objects.exists()


@pytest.mark.parametrize(
    ("send", "pointer"),
    [
        (
            lambda api, values: api.post(
                CHANGESETS, changeset(change("add", "www", *values))
            ),
            "/changes/0/records",
        ),
        (
            lambda api, values: api.post(
                CHANGESETS,
                changeset(change("delete", "www", expected={"records": values})),
            ),
            "/changes/0/expected/records",
        ),
        (lambda api, values: api.put(WWW, {"records": values}), "/records"),
    ],
)
def test_a_long_list_of_records_is_not_read(
    api: APIClient,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[APIClient, list[str]], Any],
    pointer: str,
) -> None:
    assert send(api, addresses(100)).status_code in (202, 412)
    reads_no_value(monkeypatch)
    for count in (101, 50_000):
        answer = send(api, addresses(count))
        assert_rejected(answer, 400, "invalid")
        assert pointers(answer) == [(pointer, "max_length")]
        detail = answer.json()["detail"]
        assert detail == f"{pointer}: Expected at most 100 elements, not {count}."


def test_values_that_fit_into_no_message_are_not_read(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads_no_value(monkeypatch)
    values = addresses(50)
    own = [change("add", f"n{number}", *values) for number in range(200)]
    one_more = change("delete", "www", expected={"records": values[:1]})
    answer = api.post(CHANGESETS, changeset(*own, one_more))
    assert_rejected(answer, 400, "changeset_too_large")
    assert pointers(answer) == [("/changes", "changeset_too_large")]
    assert answer.json()["detail"].endswith("has 10001 values; expected at most 10000")


def test_what_fits_into_no_message_makes_nobody_wait(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(*args: Any) -> Any:
        raise AssertionError("names were locked")

    monkeypatch.setattr(wanted, "lock", lock)
    values = addresses(60)
    own = [change("add", f"n{number}", *values) for number in range(50)]
    answer = api.post(CHANGESETS, changeset(*own))
    assert_rejected(answer, 400, "changeset_too_large")


def test_an_error_names_the_first_hundred_faults(api: APIClient) -> None:
    answer = api.post(CHANGESETS, {f"f{number}": 1 for number in range(3000)})
    row = assert_rejected(answer, 400, "invalid")
    assert answer.json()["detail"] == "3001 fields are wrong; see errors"
    assert len(pointers(answer)) == len((row.error or {})["errors"]) == 100
    wrong = [change("add", f"n{number}", "x") for number in range(1000)]
    answer = api.post(CHANGESETS, changeset(*wrong))
    assert_rejected(answer, 400, "invalid_rdata")
    assert pointers(answer)[99] == ("/changes/99/records/0", "invalid_rdata")
    assert len(pointers(answer)) == 100


def test_an_error_quotes_a_little_of_what_was_given(api: APIClient) -> None:
    long = "x" * 500_000
    for answer in (
        api.post(CHANGESETS, changeset(change(long))),
        api.post(CHANGESETS, changeset(change("add", "www", long))),
        api.post(CHANGESETS, changeset(change("add", "www", type=long))),
        api.post(RECORDS, record(value=long[:262_140])),
        api.post(RECORDS, record(comment=long)),
        send_raw(api, "post", RECORDS, b"{}", content_type=f"text/{long}"),
    ):
        assert answer.status_code in (400, 415)
        assert len(answer.content) < 2500
        error = Request.objects.get(pk=answer.headers["X-Tracker-Request"]).error
        assert len(json.dumps(error)) < 2000


def test_a_pointer_into_a_batch_is_escaped(api: APIClient) -> None:
    answer = api.post(BATCH, {"items": [{}], "a/b~c": 1})
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/a~1b~0c", "invalid")]


# --- headers -------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "url"), WRITES)
def test_a_compressed_body_is_415(api: APIClient, method: str, url: str) -> None:
    for coding in ("gzip", "br", "identity, gzip"):
        raw = gzip.compress(b"{}")
        headers = {"Content-Encoding": coding}
        answer = send_raw(api, method, url, raw, headers=headers)
        assert_rejected(answer, 415, "unsupported_media_type")
        assert f"Content-Encoding '{coding}'" in answer.json()["detail"]


def test_a_body_that_says_it_is_not_compressed_is_read(api: APIClient) -> None:
    answer = api.post(RECORDS, record(), headers={"Content-Encoding": "Identity"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Request-ID": "x" * 60_000},
        {"X-Request-ID": "a\x1b[31mb"},
        {"traceparent": f"01-{'1' * 32}-{'2' * 16}-01-\x1b[31m"},
        {"traceparent": "0" * 60_000},
        {"Prefer": "wait=, " * 9000},
        {"Prefer": "wait=" + "9" * 60_000},
        {"If-Match": "*"},
        {"Cookie": "sessionid=" + "a" * 60_000},
        {"X-Forwarded-Host": "evil.example"},
    ],
)
def test_what_a_header_says_in_vain_is_left_aside(
    api: APIClient, headers: dict[str, str]
) -> None:
    api.put(WWW, {"records": ["192.0.2.9"]})
    answer = api.put(WWW, {"records": ["192.0.2.1"]}, headers=headers)
    assert answer.status_code == 202
    row = Request.objects.get(pk=answer.headers["X-Tracker-Request"])
    assert (row.traceparent, len(row.correlation_id)) == ("", 36)
    assert "evil" not in answer.content.decode()


def test_a_long_list_of_tags_is_read(api: APIClient) -> None:
    api.put(WWW, {"records": ["192.0.2.9"]})
    tags = ", ".join(f'"{number}"' for number in range(2, 9000))
    new = {"records": ["192.0.2.1"]}
    assert_rejected(
        api.put(WWW, new, headers={"If-Match": tags}), 412, "precondition_failed"
    )
    answer = api.put(WWW, new, headers={"If-Match": f'{tags}, "1"'})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "text", ["Bearer " + "x" * 60_000, "Bearer dno_é", "Bearer \0"]
)
def test_a_token_that_is_none_is_401(text: str, db: None) -> None:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=text)
    assert_untracked(client.post(CHANGESETS, changeset()), 401, "invalid_token")


@pytest.mark.parametrize(
    "host", ["evil.example", "a" * 60_000, "127.0.0.1\r\nX: y", ""]
)
def test_another_host_is_refused_before_the_api(api: APIClient, host: str) -> None:
    answer = api.post(CHANGESETS, changeset(), headers={"Host": host})
    assert_untracked(answer, 400, "invalid")
    detail = answer.json()["detail"]
    assert detail == "the header Host: expected a name that this service has"


# --- the query -----------------------------------------------------------------------


@pytest.mark.parametrize("count", [1000, 1001])
def test_a_thousand_parameters(api: APIClient, count: int) -> None:
    query = "&".join(f"a{number}=1" for number in range(count))
    for answer in (api.get(f"{RECORDS}?{query}"), api.get(f"{ZONES}?{query}")):
        if count == 1000 and answer.status_code == 200:
            continue
        assert_untracked(answer, 400, "invalid")
        assert len(answer.content) < 20_000
    refused = api.post(f"{CHANGESETS}?{query}", changeset())
    assert refused.status_code == 400
    if count > 1000:
        detail = refused.json()["detail"]
        assert detail == "the query: expected at most 1000 parameters"
        assert not Request.objects.exists()


@pytest.mark.parametrize(
    "text", ["%" * 255, "_" * 255, "%_" * 127, "[a-z" * 60, "\\" * 99]
)
def test_a_search_is_for_its_characters(api: APIClient, text: str) -> None:
    api.post(RECORDS, record(type="TXT", value="a" * 5000))
    for url in (RECORDS, f"{ZONES}example.test/rrsets/"):
        answer = api.get(url, {"search": text})
        assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert api.get(RECORDS, {"search": "x" * 256}).status_code == 400


def forged(*data: Any) -> str:
    """Return the text of a cursor that no list has given."""
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("url", [RECORDS, "/api/v2/requests/", ZONES])
def test_a_forged_cursor_shows_nothing_more(api: APIClient, url: str) -> None:
    order = {RECORDS: "rrset__name,rrset__type,id", ZONES: "name"}.get(url, "-id")
    columns = order.count(",") + 1
    for text in (
        "A" * 60_000,
        forged(order, 0, ["a"] * (columns + 1)),
        forged(order, 0, [1] * columns),
        forged(order, 0, ["\0"] * columns),
        forged(order, 0, {"a": 1}),
        forged(order, 2, None),
        forged(f"{order},backend__secret_reference", 0, ["a"] * (columns + 1)),
        forged("backend__secret_reference", 0, ["a"]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"9" * 100_000).decode(),
    ):
        answer = api.get(url, {"cursor": text})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    huge = (
        ["z" * 40_000] * columns if url == ZONES else ["z"] * (columns - 1) + [NO_ONE]
    )
    assert api.get(url, {"cursor": forged(order, 0, huge)}).json()["results"] == []
