"""PostgreSQL: many posts at once to the same names, each in a transaction."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from dnsorch.tests.e2e.harness import in_parallel, record
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique

THREADS = 8
PAIRS = 30


def post(stack: RealStack, path: str, body: object, key: str = "") -> Any:
    """Post once; return the answer."""
    headers = {"Idempotency-Key": key} if key else {}
    with stack.client() as client:
        return client.post(path, json=body, headers=headers)


def answers(work: Any, items: list[Any]) -> list[Any]:
    """Do all of it at once; return what came of each."""
    return [each.result() for each in in_parallel(work, items, THREADS)]


def test_every_record_of_one_name_is_kept(stack: RealStack) -> None:
    name = unique("many")
    values = [f"192.0.2.{number}" for number in range(1, 41)]
    bodies = [record(name, value) for value in values]
    given = answers(lambda body: post(stack, "/api/v1/dns-records/", body), bodies)
    assert Counter(answer.status_code for answer in given) == {202: 40}
    finals = [stack.final(answer.json()["request_id"]) for answer in given]
    assert {each["status"] for each in finals} == {"completed"}
    assert stack.resolve(name) == set(values)


def test_a_cname_and_an_address_never_share_a_name(stack: RealStack) -> None:
    names = [unique("either") for _ in range(20)]
    bodies = [
        body
        for name in names
        for body in (
            record(name, "192.0.2.1"),
            {"name": name, "type": "CNAME", "value": "a.example.net.", "ttl": 60},
        )
    ]
    given = answers(lambda body: post(stack, "/api/v1/dns-records/", body), bodies)
    codes = [answer.status_code for answer in given]
    assert [sorted(codes[n : n + 2]) for n in range(0, 40, 2)] == [[202, 409]] * 20
    problems = {each.json()["code"] for each in given if each.status_code == 409}
    assert problems == {"cname_conflict"}
    for answer in given:
        if answer.status_code == 202:
            assert stack.final(answer.json()["request_id"])["status"] == "completed"


def test_names_locked_crosswise_deadlock_nobody(stack: RealStack) -> None:
    names = [unique("cross") for _ in range(10)]

    def body(number: int) -> dict[str, Any]:
        order = names if number % 2 else names[::-1]
        value = f"192.0.2.{number}"
        changes = [change("add", name, "A", value) for name in order]
        return {"zone": ZONE, "changes": changes}

    bodies = [body(number) for number in range(1, PAIRS + 1)]
    given = answers(lambda body: post(stack, "/api/v2/changesets/", body), bodies)
    assert Counter(answer.status_code for answer in given) == {202: PAIRS}
    finals = [stack.final(answer.json()["id"]) for answer in given]
    assert {each["status"] for each in finals} == {"completed"}
    everything = {f"192.0.2.{number}" for number in range(1, PAIRS + 1)}
    assert [stack.resolve(name) for name in names] == [everything] * 10


def test_one_key_at_once_is_one_request(stack: RealStack) -> None:
    name, key = unique("key"), uuid.uuid4().hex
    bodies = [record(name, "192.0.2.1")] * THREADS
    given = answers(lambda body: post(stack, "/api/v1/dns-records/", body, key), bodies)
    assert {answer.status_code for answer in given} <= {202, 409}
    ids = {each.json()["request_id"] for each in given if each.status_code == 202}
    assert len(ids) == 1
    assert stack.final(ids.pop())["status"] == "completed"
    assert stack.added(name) == ["192.0.2.1"]
    assert len(stack.by_key(key)) == 1


def test_a_zone_forgotten_meanwhile_is_a_clear_answer(stack: RealStack) -> None:
    zones = [f"{uuid.uuid4().hex[:8]}.example.net." for _ in range(20)]
    calls = [(zone, method) for zone in zones for method in ("post", "delete")]
    backend = stack.get(f"/api/v2/zones/{ZONE}/")["backend"]
    for zone in zones:
        body = {"name": zone, "backend": backend, "verify": {"policy": "none"}}
        assert post(stack, "/api/v2/zones/", body).status_code == 201

    def call(item: tuple[str, str]) -> tuple[str, int]:
        zone, method = item
        if method == "post":
            body = {"zone": zone, "changes": [change("add", "a", "A", "192.0.2.1")]}
            return method, post(stack, "/api/v2/changesets/", body).status_code
        with stack.client() as client:
            return method, client.delete(f"/api/v2/zones/{zone}/").status_code

    given = set(answers(call, calls))
    assert given <= {("post", 202), ("post", 404), ("delete", 204), ("delete", 409)}
