"""/api/v1/dns-records/: lists, conditions and plans."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    RECORDS,
    assert_rejected,
    at,
    made,
    record,
)
from requests_tracker.models import Request

WWW = ("www.example.test.", "A")


def test_list(api: APIClient) -> None:
    world.make_zone("example.org.")
    a1 = made(api, name="a.example.test.")
    a2 = made(api, name="a.example.test.", value="192.0.2.2")
    b = made(api, name="b.example.test.", type="AAAA", value="2001:db8::1")
    c = made(api, name="c.example.org.", type="CNAME", value="A.example.test.")

    def found(**query: str) -> list[str]:
        answer = api.get(RECORDS, query)
        assert answer.status_code == 200, answer.json()
        return sorted(each["id"] for each in answer.json()["results"])

    def ids(*shown: dict[str, Any]) -> list[str]:
        return sorted(each["id"] for each in shown)

    assert found() == ids(a1, a2, b, c)
    assert found(zone="Example.TEST") == ids(a1, a2, b)
    assert found(name="A.example.test") == ids(a1, a2)
    assert found(name="a", zone="example.test") == ids(a1, a2)
    assert found(name="a") == []
    assert found(type="aaaa") == ids(b)
    assert found(value="192.0.2.2") == ids(a2)
    assert found(value="2001:db8:0:0::1") == ids(b)
    assert found(value="a.EXAMPLE.test.", type="cname") == ids(c)
    assert found(search="192.0.2.") == ids(a1, a2)
    assert found(search="EXAMPLE.ORG") == ids(c)
    assert found(search="%") == []
    assert found(zone="example.test", type="A", search=".2.2") == ids(a2)
    first, second, *others = api.get(RECORDS).json()["results"]
    # By name and type; within an RRset by id, which has no meaning.
    assert others == [b, c]
    assert {first["id"], second["id"]} == {a1["id"], a2["id"]}


@pytest.mark.parametrize(
    "query",
    [
        {"zone": "a..b"},
        {"name": "a..b"},
        {"name": ""},
        {"type": "XXX"},
        {"value": "\x01"},
        {"value": "x", "type": "A"},
        {"search": "x" * 256},
        {"search": "\0"},
        {"colour": "red"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "x"},
        {"cursor": "x"},
    ],
)
def test_a_wrong_filter_is_400(api: APIClient, query: dict[str, str]) -> None:
    answer = api.get(RECORDS, query)
    assert answer.status_code == 400
    assert "request_id" not in answer.json()
    assert not Request.objects.exists()


def test_pages_forward_and_back(api: APIClient) -> None:
    for name in "abcde":
        made(api, name=f"{name}.example.test.")

    def page(url: str) -> tuple[str, str | None, str | None]:
        body = api.get(url).json()
        shown = "".join(each["name"][0] for each in body["results"])
        return shown, body["next"], body["previous"]

    first, to_second, before = page(f"{RECORDS}?limit=2&zone=example.test")
    assert (first, before) == ("ab", None)
    assert to_second is not None and to_second.startswith("http://testserver/api/v1/")
    second, to_third, to_first = page(to_second)
    assert second == "cd"
    assert to_third and to_first
    third, after, back = page(to_third)
    assert (third, after) == ("e", None)
    assert back and page(back)[0] == "cd"
    assert page(to_first)[0] == "ab"


def test_unknown_records_are_404(api: APIClient) -> None:
    answer = api.get(f"{RECORDS}{uuid4()}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert api.get(f"{RECORDS}x/").status_code == 404


def test_if_match(api: APIClient, zone: Zone) -> None:
    shown = made(api)
    etag = api.get(at(shown)).headers["ETag"]
    made(api, value="192.0.2.2")  # the RRset is another one now
    for send in (api.delete, lambda url, **k: api.patch(url, {"ttl": 60}, **k)):
        answer = send(at(shown), headers={"If-Match": etag})
        row = assert_rejected(answer, 412, "precondition_failed")
        assert row.zone == "example.test."
        problem = answer.json()
        assert problem["current"] == {
            "ttl": 300,
            "records": ["192.0.2.1", "192.0.2.2"],
        }
        assert problem["current_version"] == "2"
    now = api.get(at(shown)).headers["ETag"]
    assert now == '"2"'
    answer = api.patch(at(shown), {"ttl": 60}, headers={"If-Match": f'"x", {now}'})
    assert answer.status_code == 202
    assert api.get(at(shown)).headers["ETag"] == '"3"'
    assert api.delete(at(shown), headers={"If-Match": "*"}).status_code == 202


def test_dry_run(api: APIClient, zone: Zone) -> None:
    shown = made(api)
    before = Request.objects.count()
    answer = api.post(f"{RECORDS}?dry_run=true", record(value="192.0.2.2", ttl=60))
    plan = answer.json()
    assert answer.status_code == 200
    assert sorted(plan) == ["changes", "digest", "unsafe", "warnings", "zone"]
    assert plan["zone"] == "example.test."
    assert plan["changes"] == [
        {
            "name": "www.example.test.",
            "type": "A",
            "action": "add",
            "before": {"ttl": 300, "records": ["192.0.2.1"]},
            "after": {"ttl": 60, "records": ["192.0.2.1", "192.0.2.2"]},
        }
    ]
    assert [each["code"] for each in plan["warnings"]] == ["ttl_shared"]
    for send in (
        api.delete(f"{at(shown)}?dry_run=true"),
        api.patch(f"{at(shown)}?dry_run=true", {"value": "192.0.2.9"}),
    ):
        assert send.status_code == 200
        assert "X-Tracker-Request" not in send.headers
    refused = api.post(f"{RECORDS}?dry_run=true", record())
    assert (refused.status_code, refused.json()["code"]) == (409, "record_exists")
    assert "request_id" not in refused.json()
    assert Request.objects.count() == before
    assert world.wanted(zone) == {WWW: (300, ("192.0.2.1",))}
