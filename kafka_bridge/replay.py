"""Putting dead letters back to where they came from, once or as an operator task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from dnsorch.exceptions import Invalid
from dnsorch.operator_tasks import services as operator_tasks
from dnsorch.operator_tasks.models import OperatorTask
from dnsorch.operator_tasks.outcome import Finding, Level, Outcome
from kafka_bridge import dlq, letters, options
from kafka_bridge.exceptions import InvalidMessage
from kafka_bridge.letters import Place
from kafka_bridge.message import Message
from kafka_bridge.producer import ConfirmedProducer

TASK: Final = "kafka_bridge.replay"
MAX_LETTERS: Final = 100
# Together they leave the worker's time limit of 90 seconds far away.
_READ_TIMEOUT_S: Final = 20.0
_SEND_TIMEOUT_S: Final = 30.0


class TooManyLetters(Invalid):
    """So many dead letters are not put back at once."""

    code = "too_many_letters"


class PutBack(NamedTuple):
    """What became of a letter; ``error`` says why it was not put back."""

    letter: Message
    error: str | None


def obstacle(letter: Message) -> str | None:
    """Return why a letter cannot be put back, if that is known before trying."""
    try:
        dlq.redriven(letter)
    except InvalidMessage as error:
        return error.detail
    return None


def put_back(chosen: Sequence[Message]) -> list[PutBack]:
    """Put letters back to where they came from; say of each, in order, how it went.

    Each has an idempotency key of its own, the same each time: to do this twice is
    one request. One that cannot be put back holds up no other.
    """
    errors = [obstacle(letter) for letter in chosen]
    ready = [number for number, error in enumerate(errors) if error is None]
    producer = ConfirmedProducer(options.producer)
    try:
        messages = [dlq.redriven(chosen[number]) for number in ready]
        deliveries = producer.send(messages, timeout_s=_SEND_TIMEOUT_S)
    finally:
        producer.close()
    for number, delivery in zip(ready, deliveries, strict=True):
        errors[number] = delivery.error
    return [PutBack(*each) for each in zip(chosen, errors, strict=True)]


# --- as an operator task ------------------------------------------------------------


def start(*, places: Collection[Place], started_by: str) -> OperatorTask:
    """Have a worker put back the letters that stand at ``places``.

    Raises:
        TooManyLetters: they are more than :data:`MAX_LETTERS`.
        BrokerUnavailable: nothing was started.
    """
    if len(places) > MAX_LETTERS:
        raise TooManyLetters(f"at most {MAX_LETTERS} letters are put back at once")
    return operator_tasks.start(
        task=TASK,
        title="Dead letters replayed",
        arguments={"places": [str(place) for place in sorted(places)]},
        about={"deadletters": f"{len(places)} dead letter{'s' * (len(places) != 1)}"},
        started_by=started_by,
    )


def run(places: Sequence[str]) -> Outcome:
    """Put back the letters at ``places``; nothing is sent unless all could be read.

    Raises:
        DeadLettersUnreadable: Kafka does not answer in time, or says no.
    """
    wanted = [Place.parse(each) for each in places]
    found = letters.at(wanted, timeout_s=_READ_TIMEOUT_S)
    results = put_back([found[place] for place in wanted if place in found])
    findings = tuple(_findings(wanted, results))
    done = sum(finding.level == Level.OK for finding in findings)
    return Outcome(f"{done} of {len(wanted)} put back", findings)


def _findings(wanted: Sequence[Place], results: Sequence[PutBack]) -> Iterator[Finding]:
    by_place = {Place.of(result.letter): result for result in results}
    for place in wanted:
        result = by_place.get(place)
        if result is None:
            level, told = Level.PROBLEM, "is not in the topic any more"
        elif result.error is not None:
            level, told = Level.PROBLEM, f"was not put back: {result.error}"
        else:
            level, told = (
                Level.OK,
                f"put back to {letters.text(result.letter, 'topic')}",
            )
        yield Finding("", str(place), level, told)
