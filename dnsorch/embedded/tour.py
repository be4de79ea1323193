"""One request through each door of the stack, and what became of it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
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

from dnsorch.embedded.errors import RequestUnfinished

POLL_SECONDS = 0.05
FINAL = {"completed", "failed", "rejected", "cancelled"}
TTL = 60

Write = Callable[[str], None]


@dataclass(frozen=True)
class Visit:
    """A request through one door: what was asked for, and its name in DNS."""

    door: str
    asked: str
    name: str
    address: str
    request: Mapping[str, Any]


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
            RequestUnfinished: an answer did not come in time.
            httpx.HTTPError: the API could not be asked.
        """
        mark = secrets.token_hex(3)
        with _outcomes(self.stack["kafka"]) as outcomes:
            visits = [self._rest(f"rest-{mark}"), self._kafka(f"kafka-{mark}")]
            wanted = {visit.request["id"] for visit in visits}
            found = outcomes.wait(wanted, seconds=self.seconds)
        fine = True
        for visit in visits:
            answers = self.resolve(visit.name)
            write("")
            for line in story(visit):
                write(line)
            write(
                f"    {self.stack['nameserver']} answers: {', '.join(answers) or '-'}"
            )
            outcome = found.get(visit.request["id"], "-")
            write(f"    on {settings.KAFKA_TOPIC_OUTCOMES}: {outcome}")
            fine &= (
                visit.request["status"] == "completed"
                and any(answer.endswith(f" {visit.address}") for answer in answers)
                and outcome == "dnsorch.request.completed"
            )
        return fine

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

    def _rest(self, label: str) -> Visit:
        name, address = f"{label}.{self.stack['zone']}", "192.0.2.10"
        body = {"name": name, "type": "A", "value": address, "ttl": TTL}
        with self._client() as client:
            response = client.post(
                "/api/v1/dns-records/", json=body, headers={"Idempotency-Key": label}
            )
            if response.status_code != 202:
                raise RequestUnfinished(
                    f"the API answered {response.status_code}: {response.text}"
                )
            found = response.json()["request_id"]
            request = self._final(
                lambda: client.get(f"/api/v2/requests/{found}/").json()
            )
        asked = f"POST /api/v1/dns-records/ {json.dumps(body)}"
        return Visit("REST", asked, name, address, request)

    def _kafka(self, label: str) -> Visit:
        zone = self.stack["zone"]
        name, address = f"{label}.{zone}", "192.0.2.20"
        rrset: dict[str, Any] = {"name": name, "type": "A", "ttl": TTL}
        change = {"action": "create", **rrset, "records": [address]}
        data = {"zone": zone, "changes": [change]}
        _produce(self.stack["kafka"], key=zone, idempotency_key=label, data=data)
        with self._client() as client:

            def look() -> Mapping[str, Any] | None:
                query = {"idempotency_key": label}
                answer = client.get("/api/v2/requests/", params=query)
                results = answer.raise_for_status().json()["results"]
                return results[0] if results else None

            found = self._final(look)
            # A list may leave out what the detail has: the changes, the events.
            request = client.get(f"/api/v2/requests/{found['id']}/").json()
        asked = f"message on {settings.KAFKA_TOPIC_REQUESTS} {json.dumps(data)}"
        return Visit("Kafka", asked, name, address, request)

    def _final(self, look: Callable[[], Mapping[str, Any] | None]) -> Mapping[str, Any]:
        deadline = time.monotonic() + self.seconds
        while True:
            request = look()
            if request is not None and request.get("status") in FINAL:
                return request
            if time.monotonic() > deadline:
                raise RequestUnfinished(
                    f"not final after {self.seconds:g} s: {request or 'no request'}"
                )
            time.sleep(POLL_SECONDS)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.stack["api"],
            headers={"Authorization": f"Bearer {self.stack['token']}"},
            timeout=self.seconds,
        )


def story(visit: Visit) -> Iterator[str]:
    """Yield the lines that tell a request's timeline: offset, step, message."""
    request = visit.request
    yield f"{visit.door}: {visit.asked}"
    yield f"    request {request['id']} {request['status']}"
    start = datetime.fromisoformat(request["received_at"])
    for event in request["events"]:
        offset = datetime.fromisoformat(event["at"]) - start
        milliseconds = round(offset.total_seconds() * 1000)
        yield f"    {milliseconds:6d} ms  {event['step']:<12} {event['message']}"


def _produce(
    servers: str, *, key: str, idempotency_key: str, data: Mapping[str, Any]
) -> None:
    """Send one CloudEvent in structured mode, and wait for its delivery."""
    event = {
        "specversion": "1.0",
        "type": "dnsorch.changeset.requested",
        "source": "tour",
        "id": idempotency_key,
        "data": data,
    }
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(
        settings.KAFKA_TOPIC_REQUESTS,
        key=key,
        value=json.dumps(event),
        headers={
            "content-type": "application/cloudevents+json",
            "idempotency-key": idempotency_key,
        },
    )
    if producer.flush(10):
        raise RequestUnfinished("Kafka did not take the message")


class _outcomes:
    """The outcomes topic from now on, for as long as the context lasts."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "dnsorch-tour",
                "enable.auto.commit": False,
            }
        )

    def __enter__(self) -> _outcomes:
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
        self._consumer.close()

    def wait(self, subjects: set[str], *, seconds: float) -> dict[str, str]:
        """Return the event type by request id, as far as they come in time."""
        deadline = time.monotonic() + seconds
        found: dict[str, str] = {}
        while subjects - set(found) and time.monotonic() < deadline:
            message = self._consumer.poll(POLL_SECONDS)
            if message is None or message.error() is not None:
                continue
            event = json.loads(message.value() or b"{}")
            if event.get("subject") in subjects:
                found[event["subject"]] = event["type"]
        return found
