"""What several tests of the Kafka bridge need."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from kafka_bridge import options
from kafka_bridge.assignment import Assignment
from kafka_bridge.backoff import Backoff
from kafka_bridge.client import ApiClient
from kafka_bridge.consumer import MAX_BATCH, RequestConsumer
from kafka_bridge.dlq import DeadLetters
from kafka_bridge.message import Headers, Message, Partition, from_kafka
from kafka_bridge.producer import ConfirmedProducer

DEADLINE_S = 60.0
QUICK = Backoff(first_s=0.01, longest_s=0.05, longest_asked_s=0.2)


class Topics(NamedTuple):
    """Where a test's messages are."""

    address: str
    requests: str
    outcomes: str
    dlq: str


class RealKafka:
    """A broker that runs elsewhere, with what tests need of the mock cluster."""

    def __init__(self, address: str) -> None:
        """``address`` is ``host:port``."""
        self.address = address
        self._admin = AdminClient({"bootstrap.servers": address})

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic; once this returns, clients see it."""
        made = self._admin.create_topics([NewTopic(name, partitions, 1)])
        made[name].result(DEADLINE_S)


def message(
    value: bytes | None,
    *,
    headers: Iterable[tuple[str, bytes | None]] = (),
    key: bytes | None = b"example.test.",
    offset: int = 7,
) -> Message:
    """Return a message as Kafka would give it."""
    partition = Partition("dnsorch.requests", 2)
    return Message(partition, offset, 1_700_000_000_000, key, value, tuple(headers))


def changeset(name: str, zone: str = "example.test.") -> dict[str, Any]:
    """Return a v2 change set of one change."""
    change = {"action": "replace", "name": name, "type": "A", "records": ["192.0.2.1"]}
    return {"zone": zone, "changes": [change]}


def accepted(number: int) -> dict[str, Any]:
    """Return the result of an item that was accepted."""
    return {"status": 202, "body": {"id": f"id-{number}"}, "replayed": False}


def problem(status: int, code: str, request_id: str = "") -> dict[str, Any]:
    """Return the result of an item that ended in a problem."""
    body = {"status": status, "code": code, "detail": f"it is {code}"}
    if request_id:
        body["request_id"] = request_id
    return {"status": status, "body": body, "replayed": False}


@dataclass
class Reply:
    """What the fake API answers; a status of 0 hangs up without an answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True)
class Posted:
    """A request that the fake API has seen."""

    path: str
    headers: dict[str, str]
    items: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """The owner name of each item's first change."""
        return [item["changeset"]["changes"][0]["name"] for item in self.items]


class FakeApi:
    """The batch endpoint over real HTTP: it records, and answers from a script.

    Each entry of ``script`` answers one request; after it every item is accepted,
    and one whose key was accepted before is a replay.
    """

    def __init__(self) -> None:
        """Listen on a free port."""
        self.posted: list[Posted] = []
        self.script: list[Reply | Callable[[list[dict[str, Any]]], Reply]] = []
        self.effects: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): v for name, v in self.headers.items()}
                reply = fake._answer(
                    Posted(self.path, headers, json.loads(body)["items"])
                )
                if not reply.status:
                    self.close_connection = True
                    return
                content = (
                    reply.body
                    if isinstance(reply.body, bytes)
                    else json.dumps(reply.body).encode()
                )
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(content)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, posted: Posted) -> Reply:
        self.posted.append(posted)
        if self.script:
            reply = self.script.pop(0)
            return reply if isinstance(reply, Reply) else reply(posted.items)
        return self.accept(posted.items)

    def accept(self, items: list[dict[str, Any]]) -> Reply:
        """Accept every item, each key once."""
        return Reply(207, {"results": [self._result(item) for item in items]})

    def _result(self, item: dict[str, Any]) -> dict[str, Any]:
        key = item["idempotency_key"]
        if key in self.effects:
            return accepted(self.effects.index(key)) | {"status": 200, "replayed": True}
        self.effects.append(key)
        return accepted(self.effects.index(key))


def results(*entries: dict[str, Any]) -> Reply:
    """Return a 207 with these results."""
    return Reply(207, {"results": list(entries)})


class Member:
    """A consumer of a group, with everything it needs."""

    def __init__(
        self,
        topics: Topics,
        url: str,
        *,
        group: str | None = None,
        batch_size: int = MAX_BATCH,
        timeout_s: float = 5.0,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        """Join ``group``."""
        self.api = ApiClient(url, token=lambda fresh: "dno_test", timeout_s=timeout_s)
        self.kafka = Consumer(options.consumer(group or topics.requests))
        self.assignment = Assignment(self.kafka, linger_s=0.1)
        self.dead_letters = dead_letters or DeadLetters(
            topics.dlq, ConfirmedProducer(options.producer)
        )
        self.consumer = RequestConsumer(
            self.assignment,
            self.api,
            self.dead_letters,
            batch_size=batch_size,
            backoff=QUICK,
        )
        self.assignment.subscribe([topics.requests])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the group."""
        self.assignment.close()
        self.dead_letters.close()
        self.api.close()

    def drain(self) -> None:
        """Step until the topic is read to its end."""
        self.until(lambda: self.assignment.drained)

    def until(self, condition: Callable[[], bool]) -> None:
        """Step until ``condition`` holds."""
        eventually(condition, meanwhile=lambda: self.consumer.step(0.05))


def eventually(
    condition: Callable[[], bool], *, meanwhile: Callable[[], object]
) -> None:
    """Do ``meanwhile`` until ``condition`` holds; fail after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        meanwhile()


def produce(
    topics: Topics,
    values: Iterable[bytes | None],
    *,
    topic: str | None = None,
    partition: int = 0,
    key: bytes | None = b"example.test.",
    headers: Headers = (),
) -> None:
    """Put ``values`` into one partition, in order."""
    producer = Producer({"bootstrap.servers": topics.address})
    for value in values:
        producer.produce(
            topic or topics.requests,
            value=value,
            key=key,
            partition=partition,
            headers=list(headers),
        )
    assert producer.flush(DEADLINE_S) == 0
    producer.close()


def produce_changesets(
    topics: Topics, names: Iterable[str], *, partition: int = 0
) -> None:
    """Put a plain change set for each name into one partition, in order."""
    values = [json.dumps(changeset(name)).encode() for name in names]
    produce(topics, values, partition=partition)


def read(topics: Topics, topic: str) -> list[Message]:
    """Return all that ``topic`` holds, partition by partition."""
    consumer = Consumer({"bootstrap.servers": topics.address, "group.id": "test-read"})
    found: list[Message] = []
    for number in sorted(
        consumer.list_topics(topic, DEADLINE_S).topics[topic].partitions
    ):
        first, end = consumer.get_watermark_offsets(
            TopicPartition(topic, number), timeout=DEADLINE_S
        )
        if first == end:
            continue
        consumer.assign([TopicPartition(topic, number, first)])
        for _ in range(end - first):
            got = consumer.poll(DEADLINE_S)
            assert got is not None and got.error() is None
            found.append(from_kafka(got))
    consumer.close()
    return found


def committed(topics: Topics, group: str | None = None) -> dict[int, int]:
    """Return the committed offset of each partition of the requests topic."""
    consumer = Consumer(
        {"bootstrap.servers": topics.address, "group.id": group or topics.requests}
    )
    partitions = [TopicPartition(topics.requests, number) for number in range(3)]
    found = consumer.committed(partitions, timeout=DEADLINE_S)
    consumer.close()
    return {p.partition: p.offset for p in found if p.offset >= 0}


def codes(letters: list[Message]) -> list[bytes | None]:
    """Return why each of these dead letters was rejected."""
    return [letter.header("dnsorch-dlq-code") for letter in letters]
