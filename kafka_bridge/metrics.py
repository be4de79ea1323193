"""What the Kafka loops tell Prometheus and Kubernetes.

Every metric is a constant here with a sentence that says what it means, so that a
misspelt one fails in mypy and not on a dashboard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

CONSUMED: Final = Counter(
    "dnsorch_kafka_consumed",
    "Messages that are done: tracked by the API or in the dead-letter topic.",
    ["topic"],
)
REJECTED: Final = Counter(
    "dnsorch_kafka_rejected",
    "Messages copied to the dead-letter topic, by reason.",
    ["topic", "code"],
)
RETRIED: Final = Counter(
    "dnsorch_kafka_retried",
    "Answers after which messages of a partition are posted again.",
)
LAG: Final = Gauge(
    "dnsorch_kafka_lag",
    "Messages between the end of the partition and the last one that is done.",
    ["topic", "partition"],
)
PAUSED: Final = Gauge(
    "dnsorch_kafka_paused_partitions",
    "Partitions that take no message because one waits to be posted again.",
)
READY: Final = Gauge(
    "dnsorch_kafka_ready",
    "1 while the loop does its work, 0 while it is held up.",
    ["loop"],
)
LAST_STEP: Final = Gauge(
    "dnsorch_kafka_last_step_timestamp_seconds",
    "When the loop last finished a step.",
    ["loop"],
)
POST_SECONDS: Final = Histogram(
    "dnsorch_kafka_post_seconds",
    "How long the API takes to answer one batch.",
)
POST_ITEMS: Final = Histogram(
    "dnsorch_kafka_post_items",
    "Messages in one batch.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
PUBLISHED: Final = Counter(
    "dnsorch_kafka_published",
    "Outcomes that Kafka has confirmed.",
    ["type"],
)
PUBLISH_FAILED: Final = Counter(
    "dnsorch_kafka_publish_failed",
    "Outcomes whose delivery failed and is tried again.",
)


class _Server(ThreadingMixIn, WSGIServer):
    """A slow scrape must not hold up a probe."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Writes no line for each probe."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Heartbeat:
    """Whether a loop is alive and ready; written by the loop, read by probes."""

    def __init__(self, loop: str, *, patience_s: float = 300.0) -> None:
        """``patience_s`` is how long a step may take before the loop counts as dead."""
        self._loop = loop
        self._patience_s = patience_s
        self._last_step = time.monotonic()
        self._ready = False

    def beat(self, *, ready: bool) -> None:
        """Say that a step is over, and whether the loop does its work."""
        self._last_step = time.monotonic()
        self._ready = ready
        READY.labels(self._loop).set(ready)
        LAST_STEP.labels(self._loop).set_to_current_time()

    @property
    def alive(self) -> bool:
        """Whether a step ended lately."""
        return time.monotonic() - self._last_step < self._patience_s

    @property
    def ready(self) -> bool:
        """Whether the loop is alive and does its work."""
        return self.alive and self._ready


@contextmanager
def serving(heartbeat: Heartbeat) -> Iterator[None]:
    """Serve ``/metrics``, ``/livez`` and ``/readyz`` on ``KAFKA_METRICS_PORT``.

    A port of 0 serves nothing.

    Raises:
        ImproperlyConfigured: the port is taken.
    """
    if not settings.KAFKA_METRICS_PORT:
        yield
        return
    try:
        server = make_server(
            "",
            settings.KAFKA_METRICS_PORT,
            application(heartbeat),
            server_class=_Server,
            handler_class=_QuietHandler,
        )
    except OSError as error:
        port = settings.KAFKA_METRICS_PORT
        raise ImproperlyConfigured(
            f"KAFKA_METRICS_PORT is {port}: {error.strerror}"
        ) from error
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def application(
    heartbeat: Heartbeat,
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return the WSGI application that :func:`serve` serves."""
    exposition = make_wsgi_app()

    def respond(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            page: Iterable[bytes] = exposition(environ, start)
            return page
        probes: dict[str, bool] = {
            "/livez": heartbeat.alive,
            "/readyz": heartbeat.ready,
        }
        if path not in probes:
            return _json(start, "404 Not Found", {"status": "not found"})
        if probes[path]:
            return _json(start, "200 OK", {"status": "ok"})
        return _json(start, "503 Service Unavailable", {"status": "not ok"})

    return respond


def _json(start: StartResponse, status: str, body: dict[str, Any]) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
