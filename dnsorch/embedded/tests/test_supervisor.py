"""The supervisor, on shell processes: nobody is left, and it says who stopped first.

Signal handlers belong to the main thread of a process, so each case is one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dnsorch.embedded.errors import AlreadyRunning
from dnsorch.embedded.supervisor import only_one

RUN = """
import json, sys
from dnsorch.embedded.supervisor import Supervisor
supervisor = Supervisor(["base"], patience=float(sys.argv[2]))
for name, command in json.loads(sys.argv[1]).items():
    supervisor.add_process(name, command)
supervisor.run()
print("RESULT", supervisor.stopped_first, supervisor.returncode, supervisor.interrupted)
"""
STAYS = "echo up; exec sleep 60"
DEADLINE = 20.0


def start(
    processes: dict[str, str], patience: float = DEADLINE
) -> subprocess.Popen[str]:
    """Start a supervisor of these shell commands."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(processes), str(patience)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until_up(supervisor: subprocess.Popen[str], count: int) -> str:
    """Read its log until ``count`` processes have said that they are up."""
    assert supervisor.stdout is not None
    seen = ""
    while seen.count("| up") < count:
        line = supervisor.stdout.readline()
        assert line, seen
        seen += line
    return seen


def read_to_end(supervisor: subprocess.Popen[str]) -> str:
    """Return the rest of its log, once it has ended."""
    assert supervisor.stdout is not None
    with supervisor.stdout:
        rest = supervisor.stdout.read()
    supervisor.wait(DEADLINE)
    return rest


def pids(log: str) -> list[int]:
    """Return the pids that the log names."""
    return [int(part.split(")")[0]) for part in log.split("(pid=")[1:]]


def is_gone(pid: int) -> bool:
    """Say whether no process of this session is left."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_stops_all(number: signal.Signals, code: int) -> None:
    supervisor = start({"base": STAYS, "one": STAYS, "two": STAYS})
    log = read_until_up(supervisor, 3)
    supervisor.send_signal(number)
    rest = read_to_end(supervisor)
    assert f"RESULT None {code} True" in rest
    assert len(pids(log)) == 3
    for pid in pids(log):
        assert is_gone(pid)


def test_a_hang_up_stops_all() -> None:
    supervisor = start({"one": STAYS})
    log = read_until_up(supervisor, 1)
    supervisor.send_signal(signal.SIGHUP)
    rest = read_to_end(supervisor)
    assert "RESULT None 143 True" in rest
    assert [is_gone(pid) for pid in pids(log)] == [True]


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_stops_takes_all_along(code: int) -> None:
    supervisor = start({"base": STAYS, "one": f"exit {code}", "two": STAYS})
    log = read_to_end(supervisor)
    assert f"RESULT one {code} False" in log
    assert len(pids(log)) == 3
    for pid in pids(log):
        assert is_gone(pid)


def test_the_foundation_stops_last() -> None:
    supervisor = start({"base": STAYS, "one": STAYS, "two": STAYS})
    read_until_up(supervisor, 3)
    supervisor.send_signal(signal.SIGTERM)
    log = read_to_end(supervisor)
    assert log.index("stopping one, two") < log.index("one stopped")
    assert log.index("one stopped") < log.index("stopping base")
    assert log.index("two stopped") < log.index("stopping base")


def test_a_signal_before_all_have_started_leaves_nobody() -> None:
    processes = {f"p{number}": STAYS for number in range(8)}
    supervisor = start(processes)
    log = read_until_up(supervisor, 1)
    supervisor.send_signal(signal.SIGTERM)
    rest = read_to_end(supervisor)
    assert "RESULT None 143 True" in rest
    assert len(pids(log + rest)) == 8
    for pid in pids(log + rest):
        assert is_gone(pid)


def test_who_does_not_listen_is_killed() -> None:
    # An ignored signal stays ignored through exec.
    deaf = "trap '' TERM; echo up; exec sleep 60"
    supervisor = start({"deaf": deaf}, patience=0.5)
    log = read_until_up(supervisor, 1)
    supervisor.send_signal(signal.SIGTERM)
    rest = read_to_end(supervisor)
    assert "RESULT None 143 True" in rest
    assert "deaf stopped (rc=-9)" in rest
    assert [is_gone(pid) for pid in pids(log)] == [True]


def test_a_directory_is_for_one(tmp_path: Path) -> None:
    with only_one(tmp_path):
        with pytest.raises(AlreadyRunning, match="DNSORCH_VAR_DIR"):
            with only_one(tmp_path):
                pass
    with only_one(tmp_path):
        pass
