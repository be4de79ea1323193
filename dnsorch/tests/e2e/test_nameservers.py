"""A request is live when every name server of its zone has it, not before."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dnsorch.tests.e2e.harness import Stack, free_ports, manage, record, until

ZONE_PATH = "/api/v2/zones/example.test./"
LAG_SECONDS = 2.0
Patch = Callable[..., None]


@pytest.fixture
def patch(stack: Stack) -> Iterator[Patch]:
    """Give a function that changes the zone; it is put back at the end."""
    before = stack.get(ZONE_PATH)

    def change(**fields: Any) -> None:
        with stack.client() as client:
            client.patch(ZONE_PATH, json=fields).raise_for_status()

    yield change
    change(nameservers=before["nameservers"], verify=before["verify"])


@contextmanager
def secondary(stack: Stack, lag: str) -> Iterator[str]:
    """Run a name server that gets each version of the zone ``lag`` seconds late."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    process = manage(
        "run_nameserver",
        *("--listen", address, "--zone", "example.test."),
        *("--secondary-of", stack.about["nameserver"], "--lag", lag),
        env=stack.env,
    )
    try:
        line = process.stdout.readline()
        assert address in line, line
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=10)


def post(stack: Stack, name: str) -> str:
    """Ask for a record; return the id of the request."""
    with stack.client() as client:
        answer = client.post("/api/v1/dns-records/", json=record(name, "192.0.2.1"))
    assert answer.status_code == 202
    request_id: str = answer.json()["request_id"]
    return request_id


def test_a_slow_name_server_is_waited_for(stack: Stack, patch: Patch) -> None:
    name = f"lag-{uuid.uuid4().hex[:8]}.example.test."
    with secondary(stack, f"{LAG_SECONDS:g}") as slow:
        patch(nameservers=[stack.about["nameserver"], slow])
        request_id = post(stack, name)
        until(lambda: stack.resolve(name) or None, "the primary has it")
        assert stack.resolve(name, server=slow) == set()

        def status() -> Any:
            return stack.get(f"/api/v2/requests/{request_id}/")["status"]

        until(lambda: status() == "verifying" or None, "it is being verified")
        request = stack.final(request_id)
        assert request["status"] == "completed"
        assert stack.resolve(name, server=slow) == {"192.0.2.1"}
    (change,) = request["changes"]
    seen = {each["address"]: each["seen_at"] for each in change["nameservers"]}
    assert seen[stack.about["nameserver"]] < seen[slow]


def test_one_that_never_has_it_is_named(stack: Stack, patch: Patch) -> None:
    name = f"never-{uuid.uuid4().hex[:8]}.example.test."
    with secondary(stack, "inf") as stuck:
        patch(
            nameservers=[stack.about["nameserver"], stuck],
            verify={"policy": "all", "deadline_s": 3},
        )
        request = stack.final(post(stack, name))
    assert request["status"] == "failed"
    assert request["error"]["code"] == "not_verified"
    assert stuck in request["error"]["detail"]
    assert stack.about["nameserver"] not in request["error"]["detail"]
