"""A database set back to a backup, with the name server ahead of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import ROOT, until
from dnsorch.tests.services.harness import ZONE, RealStack, administer, change, unique

LANE = f"""
from dns_records.models import Lane
lane = Lane.objects.get(zone__name={ZONE!r})
print(json.dumps([lane.epoch, lane.reconcile_at is not None, lane.last_audit]))
"""


def test_a_restored_database_and_a_server_ahead_of_it_are_reconciled(
    stack: RealStack, tmp_path: Path
) -> None:
    old, late, unknown = (unique(each) for each in ("old", "late", "unknown"))
    set_to(stack, old, "192.0.2.1")
    set_to(stack, late, "192.0.2.1")
    backup = tmp_path / "backup"
    url = urlsplit(real.setting("DATABASE_URL"))._replace(path=f"/{stack.database}")
    run("pg_dump", "--format=custom", f"--file={backup}", url.geturl())
    # Live since, and unknown to the backup.
    set_to(stack, late, "192.0.2.2")
    set_to(stack, unknown, "192.0.2.2")
    epoch, _, _ = stack.shell(LANE)

    processes = list(stack.running)
    for name in processes:
        if name != "broker":
            stack.kill(name)
    administer(f"DROP DATABASE {stack.database} WITH (FORCE)")
    administer(f"CREATE DATABASE {stack.database}")
    run("pg_restore", "--exit-on-error", f"--dbname={url.geturl()}", str(backup))
    for name in processes:
        if name != "broker":
            stack.start(name)

    stack.get("/api/v2/zones/")  # once it answers again
    # The first change finds that the marker is ahead.
    set_to(stack, unique("next"), "192.0.2.3")

    def audited() -> Any:
        now, waits, found = stack.shell(LANE)
        return None if waits or not found else [now, found]

    after, audit = until(audited, "the zone is reconciled")
    assert after > epoch
    assert "the database is older than the server" in audit["reason"]
    (difference,) = [each for each in audit["differences"] if each["name"] == late]
    assert difference["kind"] == "different"
    assert difference["served"]["records"] == ["192.0.2.2"]
    for request_id in audit["requests"]:
        request = stack.final(request_id)
        assert (request["status"], request["action"]) == ("completed", "reconcile")
        assert request["source"] == "schedule"
    assert stack.resolve(old) == stack.resolve(late) == {"192.0.2.1"}
    # What the database never heard of is not its own to delete; it is listed.
    assert stack.resolve(unknown) == {"192.0.2.2"}
    code, report = reconcile(stack)
    assert (code, report["missing"], report["different"]) == (0, 0, 0)
    extra = [each["name"] for each in report["differences"]]
    assert unknown in extra


def set_to(stack: RealStack, name: str, value: str) -> None:
    """Have a name live with this address."""
    adding = change("add", name, "A", value)
    removing = [
        change("remove", name, "A", each) for each in sorted(stack.resolve(name))
    ]
    request = stack.final(stack.ask([*removing, adding]))
    assert request["status"] == "completed", request


def reconcile(stack: RealStack) -> tuple[int, Any]:
    """Run the command; return its exit code and report."""
    done = subprocess.run(
        [sys.executable, "manage.py", "reconcile", ZONE, "--json"],
        cwd=ROOT,
        env=stack.env,
        stdout=subprocess.PIPE,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def run(*words: str) -> None:
    """Run a program that has to succeed."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
