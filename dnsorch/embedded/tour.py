"""One request through each door of the stack, and what became of it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import httpx
from confluent_kafka import Consumer, Producer, TopicPartition
from django.conf import settings

from dnsorch.embedded.errors import TourEnded

POLL_SECONDS = 0.1
TTL = 60

Write = Callable[[str], None]


@dataclass(frozen=True)
class Visit:
    """A request through one door; its idempotency key finds it again."""

    door: str
    asked: str
    key: str
    name: str
    address: str


@dataclass(frozen=True)
class Report:
    """What became of a visit, in lines for people, and whether all is as it should."""

    lines: tuple[str, ...]
    fine: bool


@dataclass(frozen=True)
class Tour:
    """Goes through both doors of the stack that ``stack.json`` describes.

    ``seconds`` is how long to wait for each answer.
    """

    stack: Mapping[str, Any]
    seconds: float = 30.0

    def take(self, write: Write) -> bool:
        """Send both requests and write what became of them.

        Return whether both are completed, resolve, and have an outcome in Kafka.

        Raises:
            TourEnded: the API did not accept a request, or Kafka no message.
            httpx.HTTPError: the API could not be asked.
        """
        mark = secrets.token_hex(3)
        with Outcomes(self.stack["kafka"]) as outcomes, self._client() as client:
            visits = [self.rest(client, f"rest-{mark}"), self.kafka(f"kafka-{mark}")]
            keys = {visit.key for visit in visits}
            found = outcomes.wait(keys, seconds=self.seconds)
            reports = [
                self.report(visit, client, found.get(visit.key, "-"))
                for visit in visits
            ]
        # All at once: the log of the processes shall not run through it.
        for report in reports:
            for line in report.lines:
                write(line)
        return all(report.fine for report in reports)

    def rest(self, client: httpx.Client, key: str) -> Visit:
        """Ask for a record over REST."""
        name, address = f"{key}.{self.stack['zone']}", "192.0.2.10"
        body = {"name": name, "type": "A", "value": address, "ttl": TTL}
        response = client.post(
            "/api/v1/dns-records/", json=body, headers={"Idempotency-Key": key}
        )
        if response.status_code != 202:
            raise TourEnded(f"the API answered {response.status_code}: {response.text}")
        asked = f"POST /api/v1/dns-records/ {json.dumps(body)}"
        return Visit("REST", asked, key, name, address)

    def kafka(self, key: str) -> Visit:
        """Ask for a record by a CloudEvent in structured mode."""
        zone = self.stack["zone"]
        name, address = f"{key}.{zone}", "192.0.2.20"
        rrset: dict[str, Any] = {"name": name, "type": "A", "ttl": TTL}
        change = {"action": "create", **rrset, "records": [address]}
        data = {"zone": zone, "changes": [change]}
        event = {
            "specversion": "1.0",
            "type": "dnsorch.changeset.requested",
            "source": "tour",
            "id": key,
            "data": data,
        }
        producer = Producer({"bootstrap.servers": self.stack["kafka"]})
        producer.produce(
            settings.KAFKA_TOPIC_REQUESTS,
            key=zone,
            value=json.dumps(event),
            headers={
                "content-type": "application/cloudevents+json",
                "idempotency-key": key,
            },
        )
        if producer.flush(self.seconds):
            raise TourEnded("Kafka did not take the message")
        asked = f"message on {settings.KAFKA_TOPIC_REQUESTS} {json.dumps(data)}"
        return Visit("Kafka", asked, key, name, address)

    def report(self, visit: Visit, client: httpx.Client, outcome: str) -> Report:
        """Return what became of a visit, ``outcome`` being the event in Kafka.

        Raises:
            TourEnded: the tracker does not know of it.
        """
        listed = client.get("/api/v2/requests/", params={"idempotency_key": visit.key})
        results = listed.raise_for_status().json()["results"]
        if not results:
            raise TourEnded(f"the tracker has no request {visit.key}")
        # A list may leave out what the detail has.
        answer = client.get(f"/api/v2/requests/{results[0]['id']}/")
        request = answer.raise_for_status().json()
        answers = self.resolve(visit.name)
        lines = (
            "",
            f"{visit.door}: {visit.asked}",
            f"    request {request['id']} {request['status']}",
            *timeline(request),
            f"    {self.stack['nameserver']} answers: {', '.join(answers) or '-'}",
            f"    on {settings.KAFKA_TOPIC_OUTCOMES}: {outcome}",
        )
        fine = (
            request["status"] == "completed"
            and any(line.endswith(f" {visit.address}") for line in answers)
            and outcome == "dnsorch.request.completed"
        )
        return Report(lines, fine)

    def resolve(self, name: str) -> list[str]:
        """Return the A records that the name server has for ``name``, as text."""
        host, _, port = self.stack["nameserver"].rpartition(":")
        question = dns.message.make_query(name, dns.rdatatype.A)
        try:
            answer = dns.query.udp(question, host, port=int(port), timeout=self.seconds)
        except (OSError, dns.exception.DNSException):
            return []
        return [
            line for rrset in answer.answer for line in rrset.to_text().splitlines()
        ]

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.stack["api"],
            headers={"Authorization": f"Bearer {self.stack['token']}"},
            timeout=self.seconds,
        )


def timeline(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each event of a request: offset, step, message."""
    start = datetime.fromisoformat(request["received_at"])
    for event in request["events"]:
        offset = datetime.fromisoformat(event["at"]) - start
        milliseconds = round(offset.total_seconds() * 1000)
        yield f"    {milliseconds:6d} ms  {event['step']:<12} {event['message']}"


class Outcomes:
    """The outcomes topic from now on, for as long as the context lasts."""

    def __init__(self, servers: str) -> None:
        """Name the Kafka to read from."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "dnsorch-tour",
                "enable.auto.commit": False,
            }
        )

    def __enter__(self) -> Outcomes:
        """Start at the end of each partition, without a group and its waiting."""
        topic = settings.KAFKA_TOPIC_OUTCOMES
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic]
        starts = []
        for number in partitions.partitions:
            partition = TopicPartition(topic, number)
            _, end = self._consumer.get_watermark_offsets(partition, timeout=10)
            starts.append(TopicPartition(topic, number, end))
        self._consumer.assign(starts)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connection."""
        self._consumer.close()

    def wait(self, keys: Collection[str], *, seconds: float) -> dict[str, str]:
        """Return the event type by idempotency key, as far as they come in time."""
        deadline = time.monotonic() + seconds
        found: dict[str, str] = {}
        while len(found) < len(keys) and time.monotonic() < deadline:
            message = self._consumer.poll(POLL_SECONDS)
            if message is None or message.error() is not None:
                continue
            event = json.loads(message.value() or b"{}")
            key = event["data"]["idempotency_key"]
            if key in keys:
                found[key] = event["type"]
        return found
