"""manage.py sweep: the loop that nothing due escapes."""

from __future__ import annotations

import signal
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import CommandParser
from django.db import close_old_connections

from dns_records.services.sweep import Sweeper
from dnsorch import probes
from dnsorch.management.base import DatabaseCommand

logger = structlog.get_logger(__name__)


class Command(DatabaseCommand):
    """Run the sweep until a signal ends it."""

    help = (
        "Find due changes, undecided batches and due checks in the database, and wake "
        "their lanes; without a broker, do the work in this process. Run one or more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="sweep once, then exit")
        parser.add_argument(
            "--interval",
            type=float,
            default=settings.DNSORCH_SWEEP_INTERVAL_S,
            help="seconds between two sweeps (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Own the signals, the loop and the sleep; the sweeper does one step."""
        sweeper = Sweeper()
        if options["once"]:
            found = sweeper.once()
            self.stdout.write(f"{found} lane(s) had work")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        loop(sweeper, stop, options["interval"])


def loop(sweeper: Sweeper, stop: threading.Event, interval_s: float) -> None:
    """Sweep until ``stop`` is set, and answer probes meanwhile."""
    # Without a broker one sweep does all that is due itself.
    heartbeat = probes.Heartbeat("sweep", patience_s=900.0)
    with probes.serving(heartbeat, settings.DNSORCH_METRICS_PORT):
        while not stop.is_set():
            heartbeat.beat(ready=_sweep(sweeper))
            stop.wait(interval_s)


def _sweep(sweeper: Sweeper) -> bool:
    """Sweep once; say whether that went well."""
    try:
        sweeper.once()
    except Exception:
        # The next sweep is a second away, and nothing else would find it.
        logger.exception("sweep failed")
        return False
    finally:
        close_old_connections()
    return True
