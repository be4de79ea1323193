"""Changes of one name reach DNS in the order of acceptance.

The name server's own log of UPDATEs is the witness, not the end state: changes that
travel together leave only the last, so what is seen is a part of what was asked for,
in the same order.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from dnsorch.tests.e2e.harness import Stack, changeset

CHANGES = 60


def over_rest(stack: Stack, name: str, values: list[str]) -> list[str]:
    """Put the RRset again and again; return the ids of the requests."""
    path = f"/api/v2/zones/example.test./rrsets/{name}/A/"
    ids = []
    with stack.client() as client:
        for value in values:
            answer = client.put(path, json={"ttl": 60, "records": [value]})
            assert answer.status_code == 202
            ids.append(answer.json()["id"])
    return ids


def over_kafka(stack: Stack, name: str, values: list[str]) -> list[str]:
    """Create the RRset and replace it again and again; return the ids."""
    mark = uuid.uuid4().hex
    actions = ["create"] + ["replace"] * (len(values) - 1)
    keys = [f"{mark}-{number}" for number in range(len(values))]
    stack.produce(
        [
            (key, changeset("example.test.", action, name, value))
            for key, action, value in zip(keys, actions, values, strict=True)
        ]
    )
    return [stack.final_by_key(key)["id"] for key in keys]


@pytest.mark.parametrize("ask", [over_rest, over_kafka])
def test_one_name_keeps_its_order(
    stack: Stack, ask: Callable[[Stack, str, list[str]], list[str]]
) -> None:
    name = f"order-{uuid.uuid4().hex[:8]}.example.test."
    values = [f"192.0.2.{number}" for number in range(1, CHANGES + 1)]
    ids = ask(stack, name, values)
    requests = [stack.final(request_id) for request_id in ids]
    assert [request["status"] for request in requests] == ["completed"] * CHANGES

    seen = stack.added(name)
    assert seen == [value for value in values if value in set(seen)]
    assert seen[-1] == values[-1]
    assert stack.resolve(name) == {values[-1]}
