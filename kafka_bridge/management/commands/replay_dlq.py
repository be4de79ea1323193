"""``manage.py replay_dlq``: chosen dead letters back to where they came from."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from confluent_kafka import Consumer, KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kafka_bridge import dlq, options, replay
from kafka_bridge.exceptions import InvalidMessage
from kafka_bridge.message import Message
from kafka_bridge.producer import ConfirmedProducer, Outgoing

TIMEOUT_S = 30.0


def moment(text: str) -> datetime:
    """Return an ISO 8601 time; without an offset it is UTC."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from error
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Put dead letters back."""

    help = (
        "Puts chosen messages of the dead-letter topic back to the topic they came "
        "from, each with an idempotency key of its own: what was rejected is tried "
        "anew, and putting one back twice is one request. Lists what it does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the selectors; at least one is needed, or ``--all``."""
        parser.add_argument(
            "--partition", type=int, help="of the dead-letter topic", metavar="N"
        )
        parser.add_argument(
            "--offset", type=int, help="in --partition, one message", metavar="N"
        )
        parser.add_argument(
            "--code",
            action="append",
            default=[],
            help="rejected for this reason; may be given several times",
        )
        parser.add_argument(
            "--since",
            type=moment,
            metavar="TIME",
            help="rejected at or after this ISO 8601 time (UTC unless it says)",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most N messages")
        parser.add_argument("--all", action="store_true", help="every message")
        parser.add_argument(
            "--dry-run", action="store_true", help="list the messages, do nothing"
        )

    def handle(self, *args: Any, **arguments: Any) -> None:
        """List and put back; exit code 1 if a message could not be put back."""
        selection = self._selection(arguments)
        options.require()
        kafka = Consumer(options.reader())
        try:
            found = replay.letters(kafka, settings.KAFKA_TOPIC_DLQ, selection)
            chosen = list(islice(found, arguments["limit"]))
        except KafkaException as error:
            raise CommandError(
                f"cannot read {settings.KAFKA_TOPIC_DLQ}: {error.args[0]}"
            ) from error
        finally:
            kafka.close()
        messages = [self._redriven(letter) for letter in chosen]
        unusable = messages.count(None)
        ready = [message for message in messages if message is not None]
        if arguments["dry_run"]:
            self.stdout.write(f"would put back {len(ready)} of {len(chosen)}")
            return
        failed = self._send(ready)
        self.stdout.write(f"put back {len(ready) - failed} of {len(chosen)}")
        if failed or unusable:
            raise CommandError(f"{failed + unusable} could not be put back")

    @staticmethod
    def _selection(arguments: dict[str, Any]) -> replay.Selection:
        selection = replay.Selection(
            partition=arguments["partition"],
            offset=arguments["offset"],
            codes=frozenset(arguments["code"]),
            since=arguments["since"],
        )
        if selection.offset is not None and selection.partition is None:
            raise CommandError("--offset needs --partition")
        limit = arguments["limit"]
        if limit is not None and limit < 1:
            raise CommandError("--limit is at least 1")
        if selection == replay.Selection() and not arguments["all"]:
            raise CommandError(
                "choose with --partition, --offset, --code or --since, or say --all"
            )
        return selection

    def _redriven(self, letter: Message) -> Outgoing | None:
        """Write the line of ``letter``; None if it cannot be put back."""
        place = f"{letter.partition.number}:{letter.offset}"
        source = "/".join(
            replay.text(letter, name) for name in ("topic", "partition", "offset")
        )
        request_id = replay.text(letter, "request-id") or "-"
        line = f"{place} {replay.text(letter, 'code')} {source} {request_id}"
        try:
            message = dlq.redriven(letter)
        except InvalidMessage as error:
            self.stdout.write(f"{line} cannot be put back: {error.detail}")
            return None
        self.stdout.write(f"{line} {replay.text(letter, 'detail')}")
        return message

    def _send(self, messages: list[Outgoing]) -> int:
        """Put ``messages`` back; return how many Kafka did not confirm."""
        producer = ConfirmedProducer(options.producer)
        try:
            deliveries = producer.send(messages, timeout_s=TIMEOUT_S)
        finally:
            producer.close()
        errors = [d.error for d in deliveries if not d.delivered]
        for error in sorted({str(error) for error in errors}):
            self.stderr.write(error)
        return len(errors)
