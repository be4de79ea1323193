"""Processes that outlive the command that starts them, known by a file.

A process id alone may have passed to somebody else's process: the file holds the
moment of its start too (proc(5), field 22 of ``stat``), so only ours is ever signalled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.services.errors import ServiceError

STOP_SECONDS = 20.0
# Those of this process, which has to wait for them: to others they are nobody's.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start(
    pid_file: Path, command: Sequence[str], *, log: Path, env: Mapping[str, str]
) -> None:
    """Start a process in a session of its own; its output goes to ``log``."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=pid_file.parent,
            env={**os.environ, **env},
            start_new_session=True,
        )
    _children[process.pid] = process
    started = _started(process.pid)
    pid_file.write_text(f"{process.pid} {started}\n")


def running(pid_file: Path) -> int | None:
    """Return the process id if the process of this file still runs."""
    try:
        pid, started = pid_file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _started(int(pid)) == started else None


def stop(pid_file: Path, number: signal.Signals) -> None:
    """Ask the process to end; kill it if it does not.

    Raises:
        ServiceError: it is there even so.
    """
    for request in (number, signal.SIGKILL):
        pid = running(pid_file)
        if pid is None:
            break
        os.kill(pid, request)
        # A stopped process takes no signal but SIGKILL.
        os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + STOP_SECONDS
        while running(pid_file) and time.monotonic() < deadline:
            time.sleep(0.05)
        if pid in _children and not running(pid_file):
            _children.pop(pid).wait()
    if running(pid_file):
        raise ServiceError(f"process {running(pid_file)} does not end")
    pid_file.unlink(missing_ok=True)


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the name, is in parentheses and may hold any character.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
