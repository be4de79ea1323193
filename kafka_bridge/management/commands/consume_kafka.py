"""``manage.py consume_kafka``: requests from Kafka to the API."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from confluent_kafka import Consumer, KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dnsorch import probes, secrets
from dnsorch.exceptions import SecretUnavailable
from kafka_bridge import options
from kafka_bridge.assignment import Assignment
from kafka_bridge.client import ApiClient
from kafka_bridge.consumer import MAX_BATCH, RequestConsumer
from kafka_bridge.dlq import DeadLetters
from kafka_bridge.exceptions import ConsumerFailed, DeadLetterFailed
from kafka_bridge.producer import ConfirmedProducer
from kafka_bridge.signals import StopFlag

STEP_S = 0.5
METADATA_TIMEOUT_S = 10.0


class Command(BaseCommand):
    """Take requests from Kafka and post them to the API."""

    # They would import all that the API serves.
    requires_system_checks: list[str] = []
    help = (
        "Takes requests from Kafka and posts them to the API. SIGTERM finishes what "
        "it holds, commits, leaves the group and ends with exit code 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what the settings give defaults for."""
        parser.add_argument(
            "--group",
            default=settings.KAFKA_CONSUMER_GROUP,
            help="consumer group (default: %(default)s)",
        )
        parser.add_argument(
            "--topics",
            nargs="+",
            default=[settings.KAFKA_TOPIC_REQUESTS],
            metavar="TOPIC",
            help=f"topics to read (default: {settings.KAFKA_TOPIC_REQUESTS})",
        )
        parser.add_argument(
            "--batch-size",
            type=int,
            default=MAX_BATCH,
            metavar="N",
            help=f"messages in one post, 1 to {MAX_BATCH} (default: %(default)s)",
        )
        parser.add_argument(
            "--once",
            action="store_true",
            help="end with exit code 0 once the topics are read to their end",
        )

    def handle(self, *args: Any, **arguments: Any) -> None:
        """Run the loop; an error that a new process may mend is exit code 1."""
        if not 1 <= arguments["batch_size"] <= MAX_BATCH:
            raise CommandError(f"--batch-size is 1 to {MAX_BATCH}")
        options.require()
        reference = settings.KAFKA_API_TOKEN_REFERENCE
        try:
            # Fails at the start, not at the first message.
            secrets.get(reference)
        except SecretUnavailable as error:
            raise CommandError(f"no API token: {error.detail}") from error
        api = ApiClient(
            settings.KAFKA_API_URL,
            token=lambda fresh: secrets.get(reference, fresh=fresh),
            timeout_s=settings.KAFKA_API_TIMEOUT_S,
        )
        kafka = Consumer(options.consumer(arguments["group"]))
        assignment = Assignment(kafka)
        dead_letters = DeadLetters(
            settings.KAFKA_TOPIC_DLQ, ConfirmedProducer(options.producer)
        )
        consumer = RequestConsumer(
            assignment, api, dead_letters, batch_size=arguments["batch_size"]
        )
        try:
            if arguments["once"]:
                self._check(kafka, arguments["topics"])
            assignment.subscribe(arguments["topics"])
            self._run(consumer, assignment, once=arguments["once"])
        except (ConsumerFailed, DeadLetterFailed) as error:
            raise CommandError(f"{error.title} {error.detail}") from error
        finally:
            assignment.close()
            dead_letters.close()
            api.close()

    @staticmethod
    def _run(consumer: RequestConsumer, assignment: Assignment, *, once: bool) -> None:
        heartbeat = probes.Heartbeat("consume")
        serving = probes.serving(heartbeat, settings.KAFKA_METRICS_PORT)
        with StopFlag() as stop, serving:
            while not stop.is_set():
                consumer.step(STEP_S)
                heartbeat.beat(ready=consumer.ready)
                if once and assignment.drained:
                    break
            # What does not succeed now stays uncommitted, for whoever comes next.
            while consumer.step(fetch=False):
                heartbeat.beat(ready=False)

    @staticmethod
    def _check(kafka: Consumer, topics: list[str]) -> None:
        """Refuse to wait for ever for the end of a topic that is not there."""
        for topic in topics:
            try:
                found = kafka.list_topics(topic, METADATA_TIMEOUT_S).topics[topic]
            except KafkaException as error:
                raise CommandError(f"no answer from Kafka: {error.args[0]}") from error
            if found.error is not None:
                raise CommandError(f"topic {topic}: {found.error}")
