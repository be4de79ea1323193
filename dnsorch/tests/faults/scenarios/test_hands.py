"""Others write to a zone, and a server takes only a part of what it is told."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import dns.message
import dns.query
import pytest

from deploy.services import tsig
from dnsorch.tests.e2e.harness import manage, until
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import WORKERS, FaultStack
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import ZONE, change

both = pytest.mark.parametrize("zone", ["bind", "powerdns"], indirect=True)
UNFENCED = "unfenced.test."


@pytest.fixture(scope="module")
def unfenced_zone(shared: FaultStack) -> str:
    """Give a zone whose customer refuses the marker."""
    shared.heal()
    shared.add_zones(UNFENCED, fencing="none")
    return UNFENCED


def primary(stack: FaultStack, zone: str) -> str:
    """Return where the update server of a zone is."""
    return stack.servers[zone][0]


def put(stack: FaultStack, zone: str, name: str, ttl: int, text: str) -> None:
    """Put a TXT RRset into DNS behind dnsorch's back."""
    key = tsig.OTHER if zone == ZONE else tsig.OURS
    server = primary(stack, zone)
    assert stack.remove(server, key, zone, name, "TXT") == "NOERROR"
    assert stack.update(server, key, zone, name, str(ttl), "TXT", text) == "NOERROR"


def ttl(stack: FaultStack, zone: str, name: str) -> int:
    """Return the TTL of a TXT RRset as its update server has it."""
    host, _, port = primary(stack, zone).rpartition(":")
    question = dns.message.make_query(name, "TXT")
    (rrset,) = dns.query.tcp(question, host, port=int(port), timeout=5).answer
    return int(rrset.ttl)


def differences(stack: FaultStack, zone: str) -> list[Any]:
    """Return what ``manage.py reconcile`` lists."""
    output, _ = (
        process := manage("reconcile", zone, "--json", env=stack.env)
    ).communicate()
    assert process.returncode == 1, output
    found: list[Any] = json.loads(output.splitlines()[-1])["differences"]
    return found


@pytest.mark.parametrize("kind", ["bind", "powerdns", "unfenced"])
def test_changed_between_plan_and_sending(
    run: Run, stack: FaultStack, unfenced_zone: str, kind: str
) -> None:
    zones = {"bind": ZONE, "powerdns": stack.powerdns_zone, "unfenced": unfenced_zone}
    zone = zones[kind]
    # One writer: what another one wrote may be applied, and not verified yet, when the
    # other hands come.
    with run(f"31 foreign edit, {kind}", zone, rest=1, kafka=0) as trial:
        trial.write(1)
        trial.go_on()
        (fired,) = trial.arm("after_wal=stop")
        trial.write(1)
        holder = stack.await_stopped(fired)
        for name in trial.workload.names:
            put(stack, zone, name, 60, "theirs")
        os.kill(holder, signal.SIGCONT)
        trial.faults += len(trial.workload.names)
        trial.go_on()
        # Only the TTL is theirs: it is listed, and the next change takes it back.
        name = trial.workload.names[0]
        put(stack, zone, name, 999, "2")
        listed = [each for each in differences(stack, zone) if each["name"] == name]
        assert [each["kind"] for each in listed] == ["different"]
        assert listed[0]["served"] == {"ttl": 999, "records": ['"2"']}
        trial.write(1)
    assert [ttl(stack, zone, each) for each in trial.workload.names] == [60]
    # A marker lets only one write, and looks at nothing else.
    told = [line for line in events(trial) if "changed by other hands" in line]
    assert bool(told) == (kind == "unfenced")


def events(trial: Trial) -> list[str]:
    """Return all timelines of a run."""
    return [
        line
        for request in trial.evidence.requests
        for line in trial.observer.timeline(request.id)
    ]


@both
def test_the_marker_is_deleted(run: Run, stack: FaultStack, zone: str) -> None:
    server = primary(stack, zone)
    with run("31 marker deleted", zone) as trial:
        kept = f"{trial.workload.label}-kept.{zone}"
        request = stack.ask([change("create", kept, "A", "192.0.2.1")], zone)
        assert stack.final(request)["status"] == "completed"
        trial.write(1)
        trial.go_on()
        key = tsig.OTHER if zone == ZONE else tsig.OURS
        assert stack.remove(server, key, zone, kept, "A") == "NOERROR"
        marker = f"_dnsorch.{zone}"
        assert stack.remove(server, tsig.OURS, zone, marker, "TXT") == "NOERROR"
        trial.observer.note_restored(zone)
        trial.faults = 2
        trial.write(1)
        audit = trial.observer.await_audit(zone, "the marker is gone")
        for request in audit["requests"]:
            assert stack.final(request)["status"] == "completed"
    assert kept in [each["name"] for each in audit["differences"]]
    assert stack.resolve(kept, server=server) == {"192.0.2.1"}
    told, *_ = [line for line in events(trial) if "backend_unavailable" in line]
    assert "marker" in told


# --- poison ---------------------------------------------------------------------------


@both
def test_one_bad_change_of_a_batch(run: Run, stack: FaultStack, zone: str) -> None:
    with run("30 one bad change", zone, rest=8, kafka=4) as trial:
        bad = f"{trial.workload.label}-bad.{zone}"
        # What others have there is no business of ours until the server says so.
        put(stack, zone, bad, 60, "theirs")
        wanted = change("create", bad, "CNAME", f"a.{zone}")
        with stack.paused(*WORKERS, "sweep"):
            request = ask(trial, wanted, zone)
            trial.write(1)
            until(lambda: trial.observer.is_known() or None, "all is accepted")
        trial.faults = 1
    failed = stack.final(request)
    assert failed["status"] == "failed"
    expected = "ignored_by_server" if zone == ZONE else "refused_by_server"
    assert failed["error"]["code"] == expected
    assert stack.resolve(bad, "TXT", primary(stack, zone)) == {'"theirs"'}
    states = [each.status for each in trial.evidence.requests]
    assert sorted(states) == ["completed"] * 12 + ["failed"]


def ask(trial: Trial, wanted: dict[str, Any], zone: str) -> str:
    """Post a change under a key of this run; return the id of the request."""
    body = {"zone": zone, "changes": [wanted]}
    headers = {"Idempotency-Key": f"{trial.workload.label}-bad"}
    with trial.stack.client() as client:
        answer = client.post("/api/v2/changesets/", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    request_id: str = answer.json()["id"]
    return request_id
