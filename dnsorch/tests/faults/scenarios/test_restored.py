"""A zone or the database is put back to an older state: noticed, and put right."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import PROCESSES, FaultStack
from dnsorch.tests.services.harness import ZONE, administer, change

ADDRESS = "192.0.2.1"


def changed(stack: FaultStack, *changes: dict[str, object]) -> None:
    """Have changes made, and wait for them."""
    assert stack.final(stack.ask(changes))["status"] == "completed"


def everywhere(stack: FaultStack, name: str, rtype: str) -> list[set[str]]:
    """Return what each name server of BIND's zone answers."""
    return [stack.resolve(name, rtype, server) for server in stack.servers[ZONE]]


def test_a_zone_is_restored_from_an_old_file(run: Run, stack: FaultStack) -> None:
    with run("31 zone restored from a file", ZONE, bound_s=60) as trial:
        label = trial.workload.label
        gone, new = (f"{label}-{word}.{ZONE}" for word in ("gone", "new"))
        changed(stack, change("create", gone, "A", ADDRESS))
        trial.write(1)
        trial.go_on()
        restore = keep_zone(stack, gone.removesuffix(f".{ZONE}"))
        trial.write(2)
        changed(stack, change("delete", gone, "A"), change("create", new, "A", ADDRESS))
        trial.go_on()
        restore()
        trial.observer.note_restored(ZONE)
        trial.faults = 1
        assert stack.resolve(new, server=stack.servers[ZONE][0]) == set()
        trial.write(1)
        audit = trial.observer.await_audit(ZONE, "the marker went back")
        (made,) = [stack.final(request) for request in audit["requests"]]
    listed = {each["name"]: each["kind"] for each in audit["differences"]}
    assert (listed[gone], listed[new]) == ("different", "missing")
    assert made["status"] == "completed"
    assert "the marker went back" in made["comment"]
    assert any("the marker went back" in each["message"] for each in made["events"])
    until(
        lambda: everywhere(stack, new, "A") == [{ADDRESS}] * 2 or None,
        "what was missing is everywhere",
    )
    assert everywhere(stack, gone, "A") == [set()] * 2


def keep_zone(stack: FaultStack, label: str) -> Callable[[], None]:
    """Copy BIND's zone file once it holds a label; return what puts it back."""
    path = stack.services / "bind" / "zone"
    # The answer comes before the file.
    stack.rndc("bind", "sync", ZONE)
    copy = until(
        lambda: text if label in (text := path.read_text()) else None,
        "the zone is in its file",
    )

    def restore() -> None:
        stack.kill("bind")
        path.write_text(copy)
        path.with_name("zone.jnl").unlink()
        stack.start("bind")
        # A secondary never goes back by itself.
        stack.rndc("bind-secondary", "retransfer", ZONE)

    return restore


def test_the_database_is_restored(run: Run, stack: FaultStack) -> None:
    with run("36 before the backup", ZONE) as before:
        before.write(2)
    restore = keep_database(stack)
    names = before.workload.names
    later = f"{before.workload.label}-later.{ZONE}"
    changed(stack, *(change("replace", name, "TXT", '"9"') for name in names))
    changed(stack, change("create", later, "A", ADDRESS))
    restore()
    with run("36 database restored", ZONE, bound_s=60) as trial:
        trial.faults = 1
        trial.write(1)
        audit = trial.observer.await_audit(
            ZONE, "the database is older than the server"
        )
        for request in audit["requests"]:
            assert stack.final(request)["status"] == "completed"
    listed = {each["name"]: each["kind"] for each in audit["differences"]}
    assert {listed[name] for name in names} == {"different"}
    # What it never wrote, as far as it knows, is not its own to delete.
    assert audit["extra"] >= 1
    for name in names:
        assert everywhere(stack, name, "TXT") == [{'"2"'}] * 2
    assert everywhere(stack, later, "A") == [{ADDRESS}] * 2


def keep_database(stack: FaultStack) -> Callable[[], None]:
    """Dump the database; return what puts it back to that point."""
    url = urlsplit(real.setting("DATABASE_URL"))._replace(path=f"/{stack.database}")
    dump = subprocess.check_output(["pg_dump", url.geturl()])

    def restore() -> None:
        for name in PROCESSES:
            stack.kill(name)
        administer(f"DROP DATABASE {stack.database} WITH (FORCE)")
        administer(f"CREATE DATABASE {stack.database}")
        quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
        command = ["psql", *quiet, "--output=/dev/null", url.geturl()]
        subprocess.run(command, input=dump, check=True)
        stack.heal()

    return restore
