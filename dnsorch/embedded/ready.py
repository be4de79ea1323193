"""When the stack counts as ready: each part is asked, none is guessed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import dns.exception
import dns.message
import dns.query
import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings
from kombu.exceptions import OperationalError

from dnsorch.celery import app
from dnsorch.embedded.errors import NotReady

POLL_SECONDS = 0.1
ASK_SECONDS = 1.0


def wait(stack: Mapping[str, Any], *, seconds: float) -> None:
    """Return once API, name server, Kafka and a worker answer.

    That the Kafka consumer has its partitions is known when the first message has
    come through: it loses none, it starts with the oldest.

    Raises:
        NotReady: they did not within ``seconds``; the text names the part.
    """
    deadline = time.monotonic() + seconds
    parts: dict[str, Callable[[Mapping[str, Any]], bool]] = {
        "API": api,
        "name server": nameserver,
        "Kafka": kafka,
        "worker": worker,
    }
    for name, answers in parts.items():
        while not answers(stack):
            if time.monotonic() > deadline:
                raise NotReady(f"not ready after {seconds:g} s: {name}")
            time.sleep(POLL_SECONDS)


def api(stack: Mapping[str, Any]) -> bool:
    """Say whether the API and its database answer."""
    try:
        response = httpx.get(f"{stack['api']}/readyz", timeout=ASK_SECONDS)
    except httpx.TransportError:
        return False
    return response.status_code == 200


def nameserver(stack: Mapping[str, Any]) -> bool:
    """Say whether the name server answers for the zone."""
    host, _, port = stack["nameserver"].rpartition(":")
    question = dns.message.make_query(stack["zone"], "SOA")
    try:
        answer = dns.query.udp(question, host, port=int(port), timeout=ASK_SECONDS)
    except (OSError, dns.exception.DNSException):
        return False
    return bool(answer.answer)


def kafka(stack: Mapping[str, Any]) -> bool:
    """Say whether Kafka answers and has all three topics."""
    # log_level 0: a refused connection is no news while Kafka is on its way.
    client = AdminClient({"bootstrap.servers": stack["kafka"], "log_level": 0})
    try:
        topics = client.list_topics(timeout=ASK_SECONDS).topics
    except KafkaException:
        return False
    return {
        settings.KAFKA_TOPIC_REQUESTS,
        settings.KAFKA_TOPIC_OUTCOMES,
        settings.KAFKA_TOPIC_DLQ,
    } <= set(topics)


def worker(stack: Mapping[str, Any]) -> bool:
    """Say whether a Celery worker answers through the broker."""
    try:
        return bool(app.control.ping(timeout=ASK_SECONDS, limit=1))
    except (OperationalError, OSError):
        return False
