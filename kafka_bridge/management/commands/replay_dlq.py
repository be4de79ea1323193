"""``manage.py replay_dlq``: chosen dead letters back to where they came from."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from confluent_kafka import Consumer, KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kafka_bridge import letters, options, replay
from kafka_bridge.message import Message


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
            found = letters.selected(kafka, settings.KAFKA_TOPIC_DLQ, selection)
            chosen = list(islice(found, arguments["limit"]))
        except KafkaException as error:
            raise CommandError(
                f"cannot read {settings.KAFKA_TOPIC_DLQ}: {error.args[0]}"
            ) from error
        finally:
            kafka.close()
        obstacles = [self._list(letter) for letter in chosen]
        ready = [
            letter for letter, why in zip(chosen, obstacles, strict=True) if why is None
        ]
        if arguments["dry_run"]:
            self.stdout.write(f"would put back {len(ready)} of {len(chosen)}")
            return
        errors = [why for _, why in replay.put_back(ready) if why is not None]
        for why in sorted(set(errors)):
            self.stderr.write(why)
        done = len(ready) - len(errors)
        self.stdout.write(f"put back {done} of {len(chosen)}")
        if done < len(chosen):
            raise CommandError(f"{len(chosen) - done} could not be put back")

    @staticmethod
    def _selection(arguments: dict[str, Any]) -> letters.Selection:
        selection = letters.Selection(
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
        if selection == letters.Selection() and not arguments["all"]:
            raise CommandError(
                "choose with --partition, --offset, --code or --since, or say --all"
            )
        return selection

    def _list(self, letter: Message) -> str | None:
        """Write the line of ``letter``; return why it cannot be put back, if so."""
        source = "/".join(
            letters.text(letter, name) for name in ("topic", "partition", "offset")
        )
        request_id = letters.text(letter, "request-id") or "-"
        code = letters.text(letter, "code")
        line = f"{letters.Place.of(letter)} {code} {source} {request_id}"
        why = replay.obstacle(letter)
        told = f"cannot be put back: {why}" if why else letters.text(letter, "detail")
        self.stdout.write(f"{line} {told}")
        return why
