"""``manage.py show_stack``: the stack shows itself, once it is ready."""

from __future__ import annotations

import json
import signal
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dnsorch.embedded import ready
from dnsorch.embedded.errors import StackError
from dnsorch.embedded.tour import Tour

READY_SECONDS = 60.0

SUMMARY = """
dnsorch is up. Ctrl-C stops it.
    API           {api}/api/          OpenAPI {api}/api/v2/docs/
    admin         {admin}  user {admin_user}, password in {file}
    name server   {nameserver}                 zone {zone}
    Kafka         {kafka}                 topics {topics}
    all of it     {file}, with the token of the API
Try:
    TOKEN=$({python} -c 'import json; print(json.load(open("{file}"))["token"])')
    curl -H "Authorization: Bearer $TOKEN" {api}/api/v2/requests/
    dig @{host} -p {port} {zone} AXFR
"""


class Command(BaseCommand):
    """Wait until the stack is ready, send one request through each door, stay."""

    help = "Part of run_stack: shows the stack when it is ready, and stays."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--once``."""
        parser.add_argument(
            "--once",
            action="store_true",
            help="end after the requests; exit code 0 only if both are live in DNS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it; without ``--once``, stay until a signal comes."""
        starting = settings.VAR_DIR / "stack.starting.json"
        stack = json.loads(starting.read_text())
        try:
            ready.wait(stack, seconds=READY_SECONDS)
        except StackError as error:
            raise CommandError(error.detail) from error
        try:
            fine = Tour(stack).take(self._write)
        except (StackError, httpx.HTTPError) as error:
            self._write(f"the tour ended early: {error}")
            fine = False
        starting.rename(settings.VAR_DIR / "stack.json")
        if not options["once"]:
            self._stay(stack)
        elif not fine:
            raise CommandError("a request is not completed, or not to be seen in DNS")

    def _stay(self, stack: Mapping[str, Any]) -> None:
        ends = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        self._write(summary(stack))
        signal.sigwait(ends)

    def _write(self, text: str) -> None:
        # Not an empty line: the log's prefix would stand alone, and be left out.
        for line in text.splitlines() or [""]:
            self.stdout.write(line or " ")
        self.stdout.flush()


def summary(stack: Mapping[str, Any]) -> str:
    """Return what is where, and what to try first."""
    host, _, port = stack["nameserver"].rpartition(":")
    topics = (
        settings.KAFKA_TOPIC_REQUESTS,
        settings.KAFKA_TOPIC_OUTCOMES,
        settings.KAFKA_TOPIC_DLQ,
    )
    return SUMMARY.format(
        **{name: value for name, value in stack.items() if isinstance(value, str)},
        file=settings.VAR_DIR / "stack.json",
        python=".venv/bin/python",
        host=host,
        port=port,
        topics=", ".join(topics),
    )
