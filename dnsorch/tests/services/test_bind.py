"""BIND: verified server by server, fenced, and never trusted on its NOERROR."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services import tsig
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import FINAL, until
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique

ZONE_PATH = f"/api/v2/zones/{ZONE}/"
MARKER = f"_dnsorch.{ZONE}"


@pytest.fixture
def servers() -> tuple[str, str]:
    """Give the addresses of primary and secondary."""
    return real.setting("DNSORCH_TEST_BIND"), real.setting(
        "DNSORCH_TEST_BIND_SECONDARY"
    )


@pytest.fixture
def paused_secondary(stack: RealStack) -> Iterator[int]:
    """Stop the secondary; it runs again at the end, whatever happens."""
    pid = stack.pid("bind-secondary")
    os.kill(pid, signal.SIGSTOP)
    yield pid
    os.kill(pid, signal.SIGCONT)


def test_primary_and_secondary_are_verified_apart(
    stack: RealStack, servers: tuple[str, str], paused_secondary: int
) -> None:
    primary, secondary = servers
    name = unique("apart")
    request_id = stack.ask([change("create", name, "A", "192.0.2.1")])

    def seen() -> dict[str, str | None]:
        (only,) = stack.get(f"/api/v2/requests/{request_id}/")["changes"]
        return {each["address"]: each["seen_at"] for each in only["nameservers"]}

    until(lambda: seen().get(primary), "the primary is seen to have it")
    request = stack.get(f"/api/v2/requests/{request_id}/")
    assert request["status"] == "verifying"
    assert seen().get(secondary) is None

    os.kill(paused_secondary, signal.SIGCONT)
    assert stack.final(request_id)["status"] == "completed"
    assert seen()[secondary] is not None
    assert stack.resolve(name, server=secondary) == {"192.0.2.1"}


def test_the_secondary_is_notified_and_follows_by_incremental_transfers(
    stack: RealStack, servers: tuple[str, str]
) -> None:
    logs = [stack.services / name / "log" for name in ("bind", "bind-secondary")]
    before = [log.stat().st_size for log in logs]
    name = unique("ixfr")
    request = stack.final(stack.ask([change("create", name, "A", "192.0.2.1")]))
    assert request["status"] == "completed"
    primary, secondary = (since(log, start) for log, start in zip(logs, before))
    assert f"received notify for zone '{ZONE.rstrip('.')}'" in secondary
    transfers = re.findall(r": (\w+) started: TSIG transfer", primary)
    assert set(transfers) == {"IXFR"}


def since(log: Path, start: int) -> str:
    """Return what a log says from an offset on."""
    with log.open() as lines:
        lines.seek(start)
        return lines.read()


@pytest.mark.parametrize(
    ("key", "rtype", "rdata", "rcode"),
    [
        (tsig.OTHER, "A", "192.0.2.1", "NOERROR"),
        (tsig.OTHER, "MX", "10 a.example.net.", "REFUSED"),
        (tsig.TRANSFER, "A", "192.0.2.1", "REFUSED"),
    ],
)
def test_a_key_may_do_what_the_policy_grants(
    stack: RealStack,
    servers: tuple[str, str],
    key: str,
    rtype: str,
    rdata: str,
    rcode: str,
) -> None:
    line = (unique("policy"), "60", rtype, rdata)
    assert stack.update(servers[0], key, ZONE, *line) == rcode


def test_nobody_else_may_touch_the_marker(
    stack: RealStack, servers: tuple[str, str]
) -> None:
    name = unique("other")
    assert (
        stack.update(servers[0], tsig.OTHER, ZONE, MARKER, "0", "TXT", "v1 99 99")
        == "REFUSED"
    )
    assert (
        stack.update(servers[0], tsig.OTHER, ZONE, name, "60", "TXT", "theirs")
        == "NOERROR"
    )
    (marker,) = stack.resolve(MARKER, "TXT")
    assert re.fullmatch(r'"v1 \d+ \d+"', marker) and marker != '"v1 99 99"'


def test_what_bind_ignores_is_found_and_taken_back(
    stack: RealStack, servers: tuple[str, str]
) -> None:
    clash, good = unique("clash"), unique("good")
    stack.update(servers[0], tsig.OTHER, ZONE, clash, "60", "CNAME", "a.example.net.")
    request = stack.final(
        stack.ask(
            [
                change("create", clash, "A", "192.0.2.1"),
                change("create", good, "A", "192.0.2.2"),
            ]
        )
    )
    assert request["status"] == "failed"
    assert request["error"]["code"] == "partly_refused"
    assert clash in request["error"]["detail"]
    until(lambda: not stack.resolve(good) or None, "the part applied is taken back")
    assert stack.added(good) == ["192.0.2.2"]


@pytest.mark.parametrize("wrong", ["name", "secret"])
def test_a_wrong_key_holds_the_lane_and_fails_nothing(
    stack: RealStack, wrong: str
) -> None:
    (stack.directory / "wrong.secret").write_text("d3Jvbmc=")
    options = {"key_name": "nobody."} if wrong == "name" else {}
    reference = "wrong.secret" if wrong == "secret" else "tsig.secret"
    configure(stack, options, reference)
    names = [unique("key") for _ in range(3)]
    try:
        requests = [
            stack.ask([change("create", name, "A", "192.0.2.1")]) for name in names
        ]
        until(lambda: lane_state(stack) == "misconfigured" or None, "it is noticed")
        for request_id in requests:
            request = stack.get(f"/api/v2/requests/{request_id}/")
            assert request["status"] not in FINAL
        assert [stack.resolve(name) for name in names] == [set()] * 3
    finally:
        configure(stack, {"key_name": tsig.OURS}, "tsig.secret")
    with stack.client() as client:
        answer = client.post(f"/api/v2/requests/{requests[0]}/retry/")
    # The sweep may have been quicker; then there is nothing to retry.
    assert answer.status_code in (200, 202, 409)
    final = [stack.final(request_id)["status"] for request_id in requests]
    assert final == ["completed"] * 3
    assert [stack.added(name) for name in names] == [["192.0.2.1"]] * 3
    assert lane_state(stack) == "ok"


def lane_state(stack: RealStack) -> str:
    """Return the state of the zone's lane."""
    state: str = stack.get(ZONE_PATH)["lane"]["state"]
    return state


def configure(stack: RealStack, options: dict[str, str], secret: str) -> None:
    """Change the backend as an operator would."""
    reference = f"file:{stack.directory / secret}"
    stack.shell(f"""
from dns_records.models import Backend
from dns_records.services import backends
backend = Backend.objects.get(name="embedded")
backends.save(
    name=backend.name,
    driver=backend.driver,
    options={{**backend.options, **{options!r}}},
    secret_reference={reference!r},
)
print(json.dumps(backend.name))
""")
