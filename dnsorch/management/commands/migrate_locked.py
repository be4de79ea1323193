"""``manage.py migrate_locked``: migrate, one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

# Any number will do, as long as nothing else in this database locks it.
LOCK = 0x646E736F  # "dnso"
PAUSE_S = 0.2


class Command(BaseCommand):
    """Bring the database up to date, however many processes try at the same time."""

    help = (
        "Apply the migrations that are missing. Of several processes that are started "
        "at once, one migrates and the others wait for it. Needs a direct connection "
        "to PostgreSQL: PgBouncer in transaction mode does not keep the lock."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--timeout",
            type=float,
            default=600.0,
            metavar="SECONDS",
            help="how long to wait for another process (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate while nobody else does."""
        on_postgresql = connection.vendor == "postgresql"
        lock = _in_postgresql if on_postgresql else _in_file
        with lock(options["timeout"]):
            call_command("migrate", interactive=False, verbosity=options["verbosity"])


@contextmanager
def _in_postgresql(timeout_s: float) -> Iterator[None]:
    """Hold an advisory lock of the session, which ends with it at the latest."""

    def locked() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            return bool(cursor.fetchone()[0])

    _wait(locked, timeout_s)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


@contextmanager
def _in_file(timeout_s: float) -> Iterator[None]:
    """Hold a file: all processes that use one SQLite database are on one machine."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.VAR_DIR / "migrate.lock").open("w") as file:

        def locked() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        _wait(locked, timeout_s)
        yield


def _wait(locked: Callable[[], bool], timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while not locked():
        if time.monotonic() >= until:
            raise CommandError(
                f"another process has been migrating for {timeout_s:g} seconds"
            )
        time.sleep(PAUSE_S)
