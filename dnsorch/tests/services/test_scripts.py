"""``deploy/services``: up, down, status and env, on a directory of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services import packages, processes
from deploy.services.__main__ import main
from deploy.services.ports import Ports
from dnsorch.tests.services.harness import SERVICES

ENV = "CELERY_BROKER_URL=redis://127.0.0.1:"


def run(root: Path, action: str, *names: str) -> subprocess.CompletedProcess[str]:
    """Run a script; return what it said."""
    return subprocess.run(
        [SERVICES / action, *names],
        env={**os.environ, "DNSORCH_SERVICES_DIR": str(root)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Give a directory whose services are stopped at the end."""
    yield tmp_path
    assert run(tmp_path, "down").returncode == 0


def pid(root: Path) -> int | None:
    """Return the process id of Redis."""
    return processes.running(root / "redis" / "pid")


def port(root: Path) -> int:
    """Return the port of Redis, as ``env`` says."""
    said = run(root, "env", "redis").stdout
    (line,) = (each for each in said.splitlines() if ENV in each)
    return int(line.partition(ENV)[2].partition("/")[0])


def test_up_again_leaves_alone_what_runs(root: Path) -> None:
    assert run(root, "up", "redis").returncode == 0
    before = pid(root)
    again = run(root, "up", "redis")
    assert again.returncode == 0
    assert f"runs on 127.0.0.1:{port(root)}, process {before}" in again.stdout
    assert pid(root) == before


def test_what_was_stopped_or_killed_comes_back_on_its_port(root: Path) -> None:
    run(root, "up", "redis")
    first = port(root)
    assert run(root, "down", "redis").returncode == 0
    assert pid(root) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first))
    run(root, "up", "redis")
    running = pid(root)
    assert running is not None
    os.kill(running, signal.SIGKILL)
    run(root, "up", "redis")
    assert (pid(root) is not None, port(root)) == (True, first)


def test_what_runs_with_other_options_is_started_anew(root: Path) -> None:
    run(root, "up", "redis")
    before = pid(root)
    command = root / "redis" / "command"
    command.write_text(command.read_text() + " --of-an-older-release")
    assert run(root, "up", "redis").returncode == 0
    assert pid(root) not in (None, before)


def test_a_port_that_somebody_took_is_left_to_them(root: Path) -> None:
    run(root, "up", "redis")
    first = port(root)
    run(root, "down", "redis")
    with socket.create_server(("127.0.0.1", first)):
        assert run(root, "up", "redis").returncode == 0
        assert port(root) != first


def test_others_are_told_of_the_new_port(root: Path) -> None:
    """The primary would notify nobody of its changes."""
    both = ("bind", "bind-secondary")
    run(root, "up", *both)
    taken = Ports(root / "ports.json")["bind-secondary"]
    run(root, "down", *both)
    with socket.create_server(("127.0.0.1", taken)):
        assert run(root, "up", *both).returncode == 0
    new = Ports(root / "ports.json")["bind-secondary"]
    assert new != taken
    assert f"port {new};" in (root / "bind" / "named.conf").read_text()


def test_env_of_what_does_not_run_is_one_sentence(root: Path) -> None:
    said = run(root, "env", "redis")
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == "deploy/services: not running: redis; deploy/services/up\n"
    assert run(root, "status", "redis").returncode == 1


def test_an_unknown_service_is_named(root: Path) -> None:
    said = run(root, "up", "mysql")
    assert said.returncode == 2
    assert "unknown: mysql" in said.stderr


def test_somebody_else_s_process_is_never_signalled(root: Path) -> None:
    file = root / "redis" / "pid"
    file.parent.mkdir()
    # Our own process, but started at another moment: its number was used again.
    file.write_text(f"{os.getpid()} 1\n")
    assert pid(root) is None
    assert run(root, "down", "redis").returncode == 0


@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 0\n", packages.FORBID])
def test_the_policy_about_services_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    policy = tmp_path / "policy-rc.d"
    if before is not None:
        policy.write_text(before)
    seen = []
    monkeypatch.setattr(packages, "POLICY", policy)
    monkeypatch.setattr(
        packages, "_apt", lambda *words: seen.append(policy.read_text())
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.install(["redis-server"])
    assert seen == [packages.FORBID] * 2
    # Ours is what a run that was killed left behind.
    left = None if before == packages.FORBID else before
    assert (policy.read_text() if policy.exists() else None) == left


def test_a_tool_that_is_there_is_not_installed_again(root: Path) -> None:
    assert packages.program("chromium") is not None
    said = run(root, "install", "chromium")
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    unknown = run(root, "install", "redis")
    assert unknown.returncode == 2
    assert "unknown: redis" in unknown.stderr


def test_a_tool_that_is_missing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setenv("DNSORCH_SERVICES_DIR", str(tmp_path))
    monkeypatch.setattr(packages, "program", lambda name: None)
    monkeypatch.setattr(packages, "install", installed.append)
    assert main(["install"]) == 0
    assert installed == [["chromium"]]
