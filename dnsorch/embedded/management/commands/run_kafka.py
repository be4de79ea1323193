"""``manage.py run_kafka``: the embedded Kafka on a fixed port."""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dnsorch.embedded.kafka import MockKafka, Relay

DEFAULT_PARTITIONS = 6


def address(text: str) -> tuple[str, int]:
    """Return ``HOST:PORT`` as a pair."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or int(port) > 65_535:
        raise ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def topic(text: str) -> tuple[str, int]:
    """Return ``NAME:PARTITIONS`` as a pair."""
    name, separator, partitions = text.rpartition(":")
    if not separator or not name or not partitions.isdecimal() or partitions == "0":
        raise ArgumentTypeError(f"{text!r} is not NAME:PARTITIONS")
    return name, int(partitions)


class Command(BaseCommand):
    """Serve librdkafka's mock cluster until SIGTERM or SIGINT."""

    help = (
        "Runs the embedded Kafka (librdkafka's mock cluster): in memory, loopback, "
        "for development and tests only. SIGTERM ends it with exit code 0."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--listen`` and ``--topic``."""
        parser.add_argument(
            "--listen",
            type=address,
            default=("127.0.0.1", 9092),
            metavar="HOST:PORT",
            help="where clients connect (default 127.0.0.1:9092; port 0 takes any)",
        )
        parser.add_argument(
            "--topic",
            type=topic,
            action="append",
            metavar="NAME:PARTITIONS",
            help=(
                "a topic to create, may be given several times (default: the three "
                f"topics of the settings with {DEFAULT_PARTITIONS} partitions each)"
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it; a taken port is one line and exit code 1."""
        topics = dict(
            options["topic"]
            or [
                (settings.KAFKA_TOPIC_REQUESTS, DEFAULT_PARTITIONS),
                (settings.KAFKA_TOPIC_OUTCOMES, DEFAULT_PARTITIONS),
                (settings.KAFKA_TOPIC_DLQ, DEFAULT_PARTITIONS),
            ]
        )
        host, port = options["listen"]
        asyncio.run(self._serve(host, port, topics))

    async def _serve(self, host: str, port: int, topics: dict[str, int]) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with MockKafka(topics) as kafka:
            relay = Relay(kafka.address)
            try:
                bound = await relay.start(host, port)
            except OSError as error:
                # asyncio's own text repeats the address.
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise CommandError(
                    f"cannot listen on {host}:{port}: {reason}"
                ) from error
            kafka.advertise(host, bound)
            created = ", ".join(f"{name} ({count})" for name, count in topics.items())
            self.stdout.write(f"Kafka is ready on {host}:{bound}, topics: {created}")
            self.stdout.flush()
            await stop.wait()
            await relay.stop()
