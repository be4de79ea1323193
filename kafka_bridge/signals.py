"""SIGTERM and SIGINT as a flag that a loop looks at between its steps."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopFlag:
    """Set once the process is asked to end; the handlers live inside the block."""

    def __init__(self) -> None:
        """Start unset."""
        self._event = Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def is_set(self) -> bool:
        """Whether the loop should end."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask the loop to end."""
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to ``timeout_s`` seconds; return whether the loop should end."""
        return self._event.wait(timeout_s)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
