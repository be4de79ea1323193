"""``make run`` and ``make demo``: the command itself, from start to stop."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dnsorch.embedded.supervisor import only_one
from dnsorch.tests.e2e.harness import Stack, manage, record, until, variables

PATIENCE = 60.0


class Run:
    """``manage.py run_stack`` as a process, with its output in a file."""

    def __init__(self, env: Mapping[str, str], *words: str) -> None:
        self.directory = Path(env["DNSORCH_VAR_DIR"])
        self.log = self.directory / "run.log"
        with self.log.open("w") as output:
            self.process: subprocess.Popen[str] = manage(
                *("run_stack", *words), env=env, stdout=output, start_new_session=True
            )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text()

    def pids(self) -> dict[str, int]:
        """Return the process that leads each session, by name."""
        found = re.findall(r"\| (\w+) started \(pid=(\d+)\)", self.output)
        return {name: int(pid) for name, pid in found}

    def about(self) -> Any:
        """Return ``stack.json``, once it is there."""
        path = self.directory / "stack.json"

        def look() -> Any:
            assert self.process.poll() is None, self.output
            return json.loads(path.read_text()) if path.exists() else None

        return until(look, "stack.json", PATIENCE)

    def end(self) -> int:
        """Return the exit code, once it has ended and nobody is left."""
        code = self.process.wait(PATIENCE)
        assert len(self.pids()) == 9
        for name, pid in self.pids().items():
            until(lambda: is_gone(pid) or None, f"{name} is gone", 10)
        assert not (self.directory / "stack.json").exists()
        assert not (self.directory / "stack.starting.json").exists()
        return code


def is_gone(group: int) -> bool:
    """Say whether a process group has nobody in it any more."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def running(env: Mapping[str, str], *words: str) -> Iterator[Run]:
    """Give a running command; leave nothing of it, whatever happens."""
    run = Run(env, *words)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(PATIENCE)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a stack of its own."""
    return variables(tmp_path)


def test_the_demo_shows_both_doors_and_ends_with_success(env: dict[str, str]) -> None:
    with running(env, "--demo") as run:
        assert run.end() == 0
    output = run.output
    for door in ("REST", "Kafka"):
        assert re.search(rf"\| {door}: ", output)
    assert len(re.findall(r"\|     request [0-9a-f-]{36} completed", output)) == 2
    assert len(re.findall(r"\|  +\d+ ms  completed ", output)) == 2
    assert re.search(
        r"answers: rest-\w+\.example\.test\. 60 IN A 192\.0\.2\.10", output
    )
    assert re.search(
        r"answers: kafka-\w+\.example\.test\. 60 IN A 192\.0\.2\.20", output
    )
    assert output.count("on dnsorch.outcomes: dnsorch.request.completed") == 2


def client(about: Mapping[str, Any]) -> httpx.Client:
    """Return a client with the token of ``stack.json``."""
    return httpx.Client(
        base_url=about["api"],
        headers={"Authorization": f"Bearer {about['token']}"},
        timeout=30,
    )


def test_ctrl_c_stops_all_and_the_next_start_finds_the_data(
    env: dict[str, str],
) -> None:
    stack = Stack(Path(env["DNSORCH_VAR_DIR"]))
    with running(env) as run:
        first = run.about()
        assert (run.directory / "stack.json").stat().st_mode & 0o777 == 0o600
        with client(first) as api:
            answer = api.post(
                "/api/v1/dns-records/",
                json=record("kept.example.test.", "192.0.2.1"),
                headers={"Prefer": "wait=20"},
            )
        assert answer.status_code == 200
        # As a terminal does it: to everyone in the foreground at the same time.
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.end() == 0

    with running(env) as run:
        second = run.about()
        with client(second) as api:
            tracked = api.get(f"/api/v2/requests/{answer.json()['request_id']}/").json()
            listed = api.get("/api/v1/dns-records/?name=kept.example.test.").json()
        assert tracked["status"] == "completed"
        assert [each["value"] for each in listed["results"]] == ["192.0.2.1"]
        stack.about = second
        assert stack.resolve("kept.example.test.") == {"192.0.2.1"}
        with client(first) as api:
            assert api.get("/api/v2/requests/").status_code == 401
        run.process.terminate()
        assert run.end() == 0
    assert second["admin_password"] == first["admin_password"]
    assert second["tsig"] == first["tsig"]
    assert second["token"] != first["token"]


def test_one_dead_process_ends_all_and_is_named(env: dict[str, str]) -> None:
    with running(env) as run:
        pids = until(
            lambda: run.pids() if len(run.pids()) == 9 else None, "all started"
        )
        os.killpg(pids["worker"], signal.SIGKILL)
        assert run.end() == 1
    assert run.output.splitlines()[-1] == (
        "CommandError: worker stopped with exit code -9, so everything did"
    )


@pytest.mark.parametrize(
    ("variable", "process"),
    [
        ("DNSORCH_PORT_API", "api"),
        ("DNSORCH_PORT_DNS", "nameserver"),
        ("DNSORCH_PORT_KAFKA", "kafka"),
    ],
)
def test_a_taken_port_is_one_line(
    env: dict[str, str], variable: str, process: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        env[variable] = port = str(taker.getsockname()[1])
        with running(env) as run:
            assert run.process.wait(PATIENCE) == 1
    assert run.output.splitlines() == [
        f"CommandError: port {port} of 127.0.0.1 ({process}): Address already in use. "
        f"Free it, or set {variable} to another port."
    ]


def test_a_second_stack_in_the_same_directory_is_one_line(env: dict[str, str]) -> None:
    directory = Path(env["DNSORCH_VAR_DIR"])
    with only_one(directory), running(env) as run:
        assert run.process.wait(PATIENCE) == 1
    assert run.output.splitlines() == [
        f"CommandError: a stack is running in {directory}. Stop it, or set "
        "DNSORCH_VAR_DIR and the DNSORCH_PORT_ variables for a second one."
    ]
