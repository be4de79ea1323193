"""``manage.py run_stack``: the whole service on one machine, with Python alone."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from dnsorch.embedded import private, seed, stack
from dnsorch.embedded.errors import StackError
from dnsorch.embedded.supervisor import Supervisor, only_one

GUIDE = "stack"


class Command(BaseCommand):
    """Prepare the embedded default and run its processes."""

    help = (
        "Runs the embedded default: database, broker, Kafka, name server, API, worker, "
        "sweep, consumer and publisher, all on loopback. It sends one request through "
        "each door and shows what became of it. Ctrl-C stops everything."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--demo``."""
        parser.add_argument(
            "--demo",
            action="store_true",
            help="stop after the requests; exit code 0 only if both are live in DNS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it; what a person can mend is one line and exit code 1."""
        try:
            with only_one(settings.VAR_DIR):
                self._run(demo=options["demo"])
        except StackError as error:
            raise CommandError(error.detail) from error
        except KeyboardInterrupt:
            self.stdout.write("stopped")

    def _run(self, *, demo: bool) -> None:
        ready = settings.VAR_DIR / "stack.json"
        starting = settings.VAR_DIR / "stack.starting.json"
        ready.unlink(missing_ok=True)
        stack.check_ports()
        prepare(starting)
        supervisor = Supervisor(stack.FOUNDATION)
        environment = stack.environment()
        for name, command in guided(demo=demo).items():
            supervisor.add_process(name, command, env=environment, cwd=str(BASE))
        try:
            supervisor.run()
        finally:
            starting.unlink(missing_ok=True)
            ready.unlink(missing_ok=True)
        verdict(supervisor, demo=demo)


BASE: Path = settings.BASE_DIR


def prepare(description: Path) -> None:
    """Bring the database up to date, seed it, and describe the stack in a file."""
    call_command("migrate", interactive=False, verbosity=0)
    seeded = seed.seed()
    private.write(description, json.dumps(stack.description(seeded), indent=2) + "\n")
    # The processes are forked from this one and must not share its connections.
    connections.close_all()


def guided(*, demo: bool) -> dict[str, str]:
    """Return the processes of the stack and the one that shows it to people."""
    guide = "exec python manage.py show_stack" + (" --once" if demo else "")
    return {**stack.processes(), GUIDE: guide}


def verdict(supervisor: Supervisor, *, demo: bool) -> None:
    """Return if the end was wanted.

    Raises:
        CommandError: a process stopped by itself, or the demo did not succeed.
    """
    if supervisor.interrupted:
        return
    name, code = supervisor.stopped_first, supervisor.returncode
    if demo and name == GUIDE:
        if code:
            raise CommandError("the demo did not succeed: see above")
        return
    raise CommandError(f"{name} stopped with exit code {code}, so everything did")
