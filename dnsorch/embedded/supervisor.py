"""Keeps the processes of the stack together: all of them run, or none."""

from __future__ import annotations

import fcntl
import math
import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from honcho.manager import SIGNALS, Manager

from dnsorch.embedded.errors import AlreadyRunning

# How long all of them together may take to stop.
KILL_SECONDS = 5.0


class Supervisor(Manager):  # type: ignore[misc]
    """Honcho's manager, which says who stopped first and leaves nothing behind.

    Each process leads a session of its own, so a Ctrl-C reaches this one only, which
    then stops the others in an orderly way: ``foundation``, what the others talk to,
    last. Who takes too long is killed.
    """

    stopped_first: str | None = None

    def __init__(
        self, foundation: Collection[str] = (), *, patience: float = KILL_SECONDS
    ) -> None:
        """Keep which processes the others need, and how long to wait for all."""
        super().__init__()
        self._patience = patience
        self._foundation = foundation
        self._asked: set[str] = set()
        self._stopping = False
        self._kill_at = math.inf

    def run(self) -> None:
        """Run until one process stops or a signal comes; then stop all the others."""
        # A closed terminal is as good a reason to stop as a Ctrl-C in it.
        signal.signal(signal.SIGHUP, _as_sigterm)
        try:
            self.loop()
        finally:
            self.kill_what_is_left()

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it, as a person does who has seen enough."""
        codes = [entry["rc"] for entry in SIGNALS.values()]
        return self.stopped_first is None and self.returncode in codes

    def terminate(self) -> None:
        """Note who stopped first, then ask the others to stop; only once.

        Before all have started there is nobody to ask yet: :meth:`loop` then comes
        back here as soon as they have.
        """
        if self._stopping or not super()._all_started():
            return
        self._stopping = True
        self._kill_at = time.monotonic() + self._patience
        self.stopped_first = next(
            (name for name, entry in self._processes.items() if _ended(entry)), None
        )
        self._ask_next()

    def kill_what_is_left(self) -> None:
        """Kill each process group that is still there; silent, for the worst case."""
        for entry in self._processes.values():
            if "pid" in entry and not _ended(entry):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(entry["pid"], signal.SIGKILL)

    def _all_started(self) -> bool:
        """Say so; :meth:`loop` asks at each turn, so this is where a stop goes on."""
        if not super()._all_started():
            return False
        if self.returncode is not None:
            self.terminate()
            self._ask_next()
        if time.monotonic() > self._kill_at:
            self.kill_what_is_left()
        return True

    def _ask_next(self) -> None:
        """Ask those that nobody needs any more to stop."""
        running = {name for name, each in self._processes.items() if not _ended(each)}
        due = (running.difference(self._foundation) or running) - self._asked
        if due:
            self._asked |= due
            self._system_print(f"stopping {', '.join(sorted(due))}\n")
            for name in due:
                self._procmgr.terminate(self._processes[name]["pid"])


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold ``directory`` for this process; the lock goes away with it.

    Raises:
        AlreadyRunning: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "stack.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"a stack is running in {directory}. Stop it, or set DNSORCH_VAR_DIR "
                "and the DNSORCH_PORT_ variables for a second one."
            ) from error
        yield


def _as_sigterm(number: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _ended(entry: dict[str, object]) -> bool:
    return entry.get("returncode") is not None
