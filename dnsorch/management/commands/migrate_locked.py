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
        "at once, one migrates and the others wait for it."
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
    """Hold an advisory lock of a transaction, on a connection of its own.

    Of a session it would outlive this process behind PgBouncer, which gives the
    session to others and may send the unlocking to another one.
    """
    holder = connection.copy()

    def locked() -> bool:
        with holder.cursor() as cursor:
            # Idle it is, for as long as the migrations take.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if cursor.fetchone()[0]:
                return True
        # Who waits keeps no connection of a pool from the one that migrates.
        holder.rollback()
        return False

    try:
        holder.set_autocommit(False)
        _wait(locked, timeout_s)
        yield
        holder.rollback()
    finally:
        holder.close()


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
