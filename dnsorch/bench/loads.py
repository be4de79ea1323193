"""``python -m dnsorch.bench.loads``: a client in a process of its own.

It reads one job from standard input, JSON, and writes what it measured. A job is a
bounded number of calls over so many connections, of messages produced or consumed, or
of DNS messages.
Moments are seconds since 1970, latencies are seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka import Consumer, Producer

from dnsorch.bench import dns_loads

PATIENCE_S = 120.0


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    json.dump(KINDS[job["kind"]](job), sys.stdout)


def post(job: Mapping[str, Any]) -> dict[str, Any]:
    """Send ``bodies`` to ``url``, each connection its share, one after the other."""
    shares = [job["bodies"][index :: job["connections"]] for index in range(_of(job))]
    began = time.time()
    with ThreadPoolExecutor(len(shares)) as executor:
        done = list(executor.map(lambda share: _send(job, share), shares))
    return {
        "began": began,
        "ended": time.time(),
        "latencies": [latency for latencies, _ in done for latency in latencies],
        "statuses": dict(sum((statuses for _, statuses in done), Counter[int]())),
    }


def _of(job: Mapping[str, Any]) -> int:
    return min(int(job["connections"]), len(job["bodies"]))


def _send(
    job: Mapping[str, Any], bodies: list[str]
) -> tuple[list[float], Counter[int]]:
    url = urlsplit(job["url"])
    headers = {
        "Authorization": f"Bearer {job['token']}",
        "Content-Type": "application/json",
    }
    latencies, statuses = [], Counter[int]()
    with closing(HTTPConnection(url.netloc, timeout=PATIENCE_S)) as connection:
        connection.connect()
        for body in bodies:
            begin = time.perf_counter()
            connection.request("POST", url.path, body.encode(), headers)
            answer = connection.getresponse()
            answer.read()
            latencies.append(time.perf_counter() - begin)
            statuses[answer.status] += 1
    return latencies, statuses


def get(job: Mapping[str, Any]) -> dict[str, Any]:
    """Ask ``count`` times for each of ``paths`` in turn; return all latencies."""
    headers = {"Authorization": f"Bearer {job['token']}"}
    found: dict[str, Any] = {path: [] for path in job["paths"]}
    netloc = urlsplit(job["url"]).netloc
    with closing(HTTPConnection(netloc, timeout=PATIENCE_S)) as connection:
        for _ in range(job["count"]):
            for path, latencies in found.items():
                begin = time.perf_counter()
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                latencies.append(time.perf_counter() - begin)
                assert answer.status == 200, f"{path}: {answer.status}"
    return found


def produce(job: Mapping[str, Any]) -> dict[str, Any]:
    """Send ``messages``, each a key, a value and an idempotency key or None."""
    producer = Producer(
        {
            "bootstrap.servers": job["kafka"],
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.list_topics(job["topic"], PATIENCE_S)
    if job.get("warm"):
        # The first message waits for the producer's id.
        producer.produce(job["topic"], b"")
        producer.flush(PATIENCE_S)
    began = time.time()
    for key, value, idempotency in job["messages"]:
        headers = {"idempotency-key": idempotency} if idempotency else {}
        producer.produce(job["topic"], key=key, value=value, headers=headers)
        producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0
    return {"began": began, "ended": time.time()}


def consume(job: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``count`` messages from the beginning, a hundred at once, and commit them.

    The time begins with the first message: a group takes seconds to form.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": job["kafka"],
            "group.id": job["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([job["topic"]])
    deadline, began, seen = time.time() + PATIENCE_S, 0.0, 0
    while seen < job["count"] and time.time() < deadline:
        messages = consumer.consume(100, 1.0)
        if messages:
            began = began or time.time()
            seen += len(messages)
            assert not any(each.error() for each in messages)
            consumer.commit(asynchronous=False)
    ended = time.time()
    consumer.close()
    assert seen == job["count"], f"only {seen} messages came"
    return {"began": began, "ended": ended}


KINDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "post": post,
    "get": get,
    "produce": produce,
    "consume": consume,
    "probe": dns_loads.probe,
    "update": dns_loads.update,
    "transfer": dns_loads.transfer,
}


if __name__ == "__main__":
    main()
