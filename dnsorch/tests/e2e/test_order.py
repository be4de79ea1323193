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


def over_rest(stack: Stack, name: str, values: dict[str, str]) -> None:
    """Put the RRset again and again."""
    path = f"/api/v2/zones/example.test./rrsets/{name}/A/"
    with stack.client() as client:
        for key, value in values.items():
            answer = client.put(
                path,
                json={"ttl": 60, "records": [value]},
                headers={"Idempotency-Key": key},
            )
            assert answer.status_code == 202


def over_kafka(stack: Stack, name: str, values: dict[str, str]) -> None:
    """Create the RRset and replace it again and again."""
    actions = ["create"] + ["replace"] * (len(values) - 1)
    stack.produce(
        [
            (key, changeset("example.test.", action, name, value))
            for action, (key, value) in zip(actions, values.items(), strict=True)
        ]
    )


@pytest.mark.parametrize("ask", [over_rest, over_kafka])
def test_one_name_keeps_its_order(
    stack: Stack, ask: Callable[[Stack, str, dict[str, str]], None]
) -> None:
    mark = uuid.uuid4().hex[:8]
    name = f"order-{mark}.example.test."
    values = {
        f"order-{mark}-{number}": f"192.0.2.{number}"
        for number in range(1, CHANGES + 1)
    }
    ask(stack, name, values)
    requests = stack.settled(values.keys())
    assert [request["status"] for request in requests] == ["completed"] * CHANGES

    seen = stack.added(name)
    assert seen == [value for value in values.values() if value in set(seen)]
    assert seen[-1] == f"192.0.2.{CHANGES}"
    assert stack.resolve(name) == {f"192.0.2.{CHANGES}"}
