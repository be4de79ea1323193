"""A small server for processes that have none: ``/metrics``, ``/livez``, ``/readyz``.

The loops (sweep, Kafka consumer, publisher) and the Celery worker serve it beside
their work, in a thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, Final, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.exceptions import ImproperlyConfigured
from prometheus_client import Gauge

from dnsorch import metrics

READY: Final = Gauge(
    "dnsorch_loop_ready",
    "1 while the loop does its work, 0 while it is held up.",
    ["loop"],
    multiprocess_mode="mostrecent",
)
LAST_STEP: Final = Gauge(
    "dnsorch_loop_last_step_timestamp_seconds",
    "When the loop last finished a step.",
    ["loop"],
    multiprocess_mode="mostrecent",
)


class Probed(Protocol):
    """What probes ask about."""

    @property
    def alive(self) -> bool:
        """Whether the process need not be replaced."""

    @property
    def ready(self) -> bool:
        """Whether the process does its work."""


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


class Server(ThreadingMixIn, WSGIServer):
    """A slow scrape must not hold up a probe."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Writes no line for each probe."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(probed: Probed, port: int) -> Iterator[None]:
    """Serve while the block runs; a port of 0 serves nothing.

    Raises:
        ImproperlyConfigured: the port is taken.
    """
    if not port:
        yield
        return
    server = bind(probed, port)
    thread = start(server)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bind(probed: Probed, port: int) -> Server:
    """Return a server that listens on all addresses and is not started yet.

    Raises:
        ImproperlyConfigured: the port is taken.
    """
    try:
        return make_server(
            "",
            port,
            application(probed),
            server_class=Server,
            handler_class=_QuietHandler,
        )
    except OSError as error:
        raise ImproperlyConfigured(
            f"DNSORCH_METRICS_PORT or KAFKA_METRICS_PORT is {port}: {error.strerror}"
        ) from error


def start(server: Server) -> Thread:
    """Serve in a thread, which ends with the process at the latest."""
    thread = Thread(target=server.serve_forever, name="probes", daemon=True)
    thread.start()
    return thread


def application(
    probed: Probed,
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return the WSGI application of the server."""

    def respond(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            accept = environ.get("HTTP_ACCEPT", "")
            body, content_type = metrics.page(metrics.registry(), accept)
            start("200 OK", [("Content-Type", content_type)])
            return [body]
        probes: dict[str, Callable[[], bool]] = {
            "/livez": lambda: probed.alive,
            "/readyz": lambda: probed.ready,
        }
        if path not in probes:
            return _json(start, "404 Not Found", {"status": "not found"})
        if probes[path]():
            return _json(start, "200 OK", {"status": "ok"})
        return _json(start, "503 Service Unavailable", {"status": "not ok"})

    return respond


def _json(start: StartResponse, status: str, body: dict[str, Any]) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
