"""``manage.py publish_events``: outcomes from the outbox to Kafka."""

from __future__ import annotations

import os
import socket
from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, close_old_connections

from dns_records.selectors import requests
from dnsorch import probes
from dnsorch.management.base import DatabaseCommand
from kafka_bridge import options
from kafka_bridge.backoff import Backoff
from kafka_bridge.producer import ConfirmedProducer
from kafka_bridge.publisher import Publisher
from kafka_bridge.signals import StopFlag

IDLE_S = 0.2

log = structlog.get_logger(__name__)


class Command(DatabaseCommand):
    """Publish the outcomes of requests."""

    help = (
        "Publishes the outcomes of requests to Kafka, at least once and each zone in "
        "its order. One process is active, further ones stand by. SIGTERM ends it "
        "with exit code 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--once``."""
        parser.add_argument(
            "--once",
            action="store_true",
            help="publish what is there, then end; exit code 1 if something is left",
        )

    def handle(self, *args: Any, **arguments: Any) -> None:
        """Run the loop, or one round of it."""
        options.require()
        publisher = Publisher(
            ConfirmedProducer(options.producer),
            topic=settings.KAFKA_TOPIC_OUTCOMES,
            source=settings.KAFKA_EVENT_SOURCE,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            bodies=requests.bodies,
            lease_s=settings.KAFKA_PUBLISHER_LEASE_S,
        )
        try:
            if arguments["once"]:
                self._once(publisher)
            else:
                self._run(publisher)
        finally:
            publisher.close()

    @staticmethod
    def _once(publisher: Publisher) -> None:
        while publisher.step():
            pass
        if not publisher.active:
            raise CommandError("another publisher is active")
        if publisher.failing:
            raise CommandError("Kafka did not take every outcome; they are kept")

    @staticmethod
    def _run(publisher: Publisher) -> None:
        heartbeat = probes.Heartbeat("publish")
        backoff, failures = Backoff(), 0
        serving = probes.serving(heartbeat, settings.KAFKA_METRICS_PORT)
        with StopFlag() as stop, serving:
            while not stop.is_set():
                pause = IDLE_S
                try:
                    close_old_connections()
                    if publisher.step():
                        pause = 0.0
                    failures = 0
                except DatabaseError as error:
                    # Away or busy: the events stay where they are.
                    failures += 1
                    pause = backoff.after(failures)
                    log.warning("database_error", error=str(error), times=failures)
                heartbeat.beat(ready=not failures and not publisher.failing)
                if pause:
                    stop.wait(pause)
