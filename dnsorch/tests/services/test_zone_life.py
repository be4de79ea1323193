"""The life of a zone on BIND with a secondary: by the API and by commands."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.services import packages, tsig
from dnsorch.tests.e2e.harness import manage, until
from dnsorch.tests.e2e.test_time import soon
from dnsorch.tests.services import bind_zones
from dnsorch.tests.services.bind_zones import served, servers
from dnsorch.tests.services.harness import RealStack, change

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
REVERSE = "2.0.192.in-addr.arpa."


@pytest.fixture
def zone(stack: RealStack) -> Iterator[str]:
    """Give a zone of the test's own."""
    with bind_zones.added(stack, f"life-{uuid.uuid4().hex[:8]}.test.") as zone:
        yield zone


@pytest.fixture
def late(stack: RealStack) -> Iterator[str]:
    """Give a zone of which the secondary hears nothing."""
    name = f"late-{uuid.uuid4().hex[:8]}.test."
    with bind_zones.added(stack, name, notify=False) as zone:
        yield zone


@pytest.fixture
def reverse(stack: RealStack) -> Iterator[str]:
    """Give the reverse zone of 192.0.2.0/24."""
    with bind_zones.added(stack, REVERSE) as zone:
        yield zone


def command(stack: RealStack, *words: str) -> tuple[int, str]:
    """Run ``manage.py``; return its exit code and what it prints."""
    process = manage(*words, env=stack.env, stderr=subprocess.DEVNULL)
    out, _ = process.communicate(timeout=90)
    return process.returncode, out


def post(stack: RealStack, path: str, body: Any = None, **options: Any) -> Any:
    """Post something that is accepted; return the answer."""
    with stack.client() as client:
        answer = client.post(f"/api/v2/{path}", json=body, **options)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def done(stack: RealStack, path: str, body: Any = None, **options: Any) -> Any:
    """Post what is accepted and completed; return the request."""
    request = stack.final(post(stack, path, body, **options)["id"])
    assert request["status"] == "completed", request
    return request


def asked(stack: RealStack, zone: str, *changes: Any, **fields: Any) -> Any:
    """Have a change set carried out; return the request."""
    return done(
        stack, "changesets/", {"zone": zone, "changes": list(changes), **fields}
    )


def edit(stack: RealStack, zone: str, name: str, *records: str) -> None:
    """Have other hands give an A RRset other records, or none."""
    owner = f"{name}.{zone}"
    assert stack.remove(servers()[0], tsig.OTHER, zone, owner, "A") == "NOERROR"
    for record in records:
        line = (owner, "300", "A", record)
        assert stack.update(servers()[0], tsig.OTHER, zone, *line) == "NOERROR"


def shown(stack: RealStack, zone: str, which: str) -> set[str]:
    """Return the first label of what the API lists about a zone."""
    found = stack.every(f"/api/v2/zones/{zone}/{which}/")
    return {each["name"].split(".")[0] for each in found}


def loads(zone: str, text: str, path: Path) -> bool:
    """Say whether ``named-checkzone`` loads a zone file without a word."""
    path.write_text(text)
    program = packages.program("named-checkzone") or "named-checkzone"
    found = subprocess.run(
        [program, "-q", zone, str(path)], capture_output=True, check=False
    )
    return (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_it_is_imported_by_transfer_checked_and_exported(
    stack: RealStack, zone: str, tmp_path: Path
) -> None:
    edit(stack, zone, "one", A, B)
    request = done(stack, f"zones/{zone}/import/", {"source": "transfer"})
    assert request["progress"]["percent"] == 100
    assert shown(stack, zone, "rrsets") == {"ns1", "one"}

    edit(stack, zone, "two", C)
    code, out = command(stack, "import_zone", zone, "--wait")
    assert (code, "2 same, 1 taken" in out) == (0, True), out
    assert shown(stack, zone, "rrsets") == {"ns1", "one", "two"}

    # Nothing of it was sent.
    until(lambda: served(stack, f"two.{zone}") == [{C}] * 2 or None, "both have it")
    checked = post(stack, f"zones/{zone}/check/")
    assert (checked["ok"], len(checked["nameservers"])) == (True, 2), checked

    with stack.client() as client:
        exported = client.get(f"/api/v2/zones/{zone}/export/").text
    code, printed = command(stack, "export_zone", zone)
    assert exported.splitlines()[1:] == printed.splitlines()[1:]
    assert loads(zone, exported, tmp_path / "zone")


def test_a_zone_file_is_imported(stack: RealStack, zone: str, tmp_path: Path) -> None:
    text = f"$ORIGIN {zone}\n$TTL 300\none A {A}\n  AAAA 2001:db8::1\ntwo CNAME one\n"
    done(
        stack,
        f"zones/{zone}/import/",
        content=text,
        headers={"Content-Type": "text/dns"},
    )
    assert served(stack, f"one.{zone}") == [{A}] * 2
    file = tmp_path / "more"
    file.write_text(text + f"three A {C}\n")
    code, out = command(stack, "import_zone", zone, "--file", str(file), "--wait")
    assert (code, "completed" in out) == (0, True), out
    assert served(stack, f"three.{zone}") == [{C}] * 2


def test_what_others_edit_is_found_adopted_and_restored(
    stack: RealStack, zone: str
) -> None:
    done(stack, f"zones/{zone}/import/", {})
    names = ("gone", "kept", "left", "same")
    asked(stack, zone, *(change("create", name, "A", A) for name in names))
    edit(stack, zone, "gone")
    edit(stack, zone, "kept", B)
    edit(stack, zone, "left", B)
    edit(stack, zone, "theirs", C)

    code, out = command(stack, "audit", zone, "--wait")
    assert code == 1, out
    assert "1 missing, 2 different, 1 extra" in out
    assert shown(stack, zone, "drift") == {"gone", "kept", "left", "theirs"}
    code, listed = command(stack, "drift", zone)
    assert (code, f"different kept.{zone} A: wanted 60 {A}" in listed) == (1, True)

    at = f"zones/{zone}/drift/resolve/"
    done(stack, at, {"by": "adopt", "records": [{"name": "kept", "type": "A"}]})
    done(stack, at, {"by": "restore", "records": [{"name": "gone", "type": "A"}]})
    for name, by in (("left", "restore"), ("theirs", "adopt")):
        words = ("--name", f"{name}.{zone}", "--type", "A", "--resolve", by)
        code, out = command(stack, "drift", zone, *words)
        assert code == 0, out
        stack.final(out.split("request ")[1].split(":")[0])

    request = done(stack, f"zones/{zone}/audit/")
    (told,) = (each for each in request["events"] if each["step"] == "verified")
    assert told["data"]["differences"] == []
    assert command(stack, "drift", zone) == (0, "")
    for name, value in (("gone", A), ("kept", B), ("left", A), ("theirs", C)):
        assert served(stack, f"{name}.{zone}") == [{value}] * 2


def test_an_address_and_its_ptr_record_come_and_go_together(
    stack: RealStack, zone: str, reverse: str
) -> None:
    owner, pointer = f"host.{zone}", f"1.{reverse}"

    def both() -> list[set[str]]:
        return served(stack, owner) + served(stack, pointer, "PTR")

    made = asked(stack, zone, change("create", owner, "A", A) | {"ptr": True})
    assert {each["zone"] for each in made["parts"]} == {zone, reverse}
    assert both() == [{A}, {A}, {owner}, {owner}]

    code, out = command(stack, "revert", made["id"], "--wait")
    assert code == 0, out
    assert f"- {pointer} 60 IN PTR {owner}" in out
    assert both() == [set()] * 4
    back = out.split("request ")[1].split(":")[0]
    done(stack, f"requests/{back}/revert/")
    assert both() == [{A}, {A}, {owner}, {owner}]


def test_a_command_gives_a_record_its_end_and_its_ptr(
    stack: RealStack, zone: str, reverse: str, tmp_path: Path
) -> None:
    owner, ends = f"short.{zone}", soon(10)
    asks = change("add", owner, "A", B) | {
        "ptr": True,
        "expires_at": ends.isoformat(),
    }
    file = tmp_path / "changes.json"
    file.write_text(json.dumps({"changes": [asks]}))
    code, out = command(stack, "plan", zone, str(file))
    assert (code, f"+ 2.{reverse} 60 IN PTR {owner}" in out) == (2, True), out
    digest = out.split("digest: ")[1].strip()
    code, out = command(stack, "plan", zone, str(file), "--apply", "--digest", digest)
    assert code == 0, out
    assert served(stack, f"2.{reverse}", "PTR") == [{owner}] * 2

    def gone() -> bool | None:
        left = served(stack, owner) + served(stack, f"2.{reverse}", "PTR")
        return left == [set()] * 4 or None

    until(gone, "both are gone from both", 30)
    assert datetime.now(UTC) >= ends


def test_records_come_and_go_at_their_time(stack: RealStack, zone: str) -> None:
    owner, starts, ends = f"brief.{zone}", soon(2), soon(5)
    asks = change("create", owner, "A", A) | {"expires_at": ends.isoformat()}
    body = {"zone": zone, "changes": [asks], "not_before": starts.isoformat()}
    request = post(stack, "changesets/", body)
    assert (request["status"], served(stack, owner)) == ("scheduled", [set()] * 2)
    assert stack.final(request["id"])["status"] == "completed"
    assert datetime.now(UTC) >= starts
    until(lambda: served(stack, owner) == [set()] * 2 or None, "it is gone", 20)
    assert datetime.now(UTC) >= ends


def test_the_secondary_that_lags_is_named(stack: RealStack, late: str) -> None:
    owner, secondary = f"www.{late}", servers()[1]
    body = {"zone": late, "changes": [change("create", owner, "A", A)]}
    request = post(stack, "changesets/", body)
    until(lambda: served(stack, owner)[0] or None, "the primary has it")
    code, out = command(stack, "explain", owner, "A")
    assert (code, f"{secondary} does not have it yet, serial 1 < " in out) == (1, True)
    found = stack.get("/api/v2/explain/", name=owner, type="A")
    assert found["explanation"].startswith(f"{secondary} does not have it yet")

    bind_zones.of(stack)[1].rndc("retransfer", late)
    assert stack.final(request["id"])["status"] == "completed"
    assert command(stack, "explain", owner, "A")[0] == 0
