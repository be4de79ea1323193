"""Probes and metrics: ``/livez``, ``/readyz``, ``/metrics``; none needs a token.

Live is a process that answers. Ready is one whose database answers within a short
time and has every migration. Broker, Kafka and backends are reported only: without
them a change is taken and just starts, comes in, or is told later.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, TypeVar

import structlog
from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dns_records.selectors import backends
from dnsorch import metrics as shared_metrics
from dnsorch import state_metrics

log = structlog.get_logger(__name__)

TIMEOUT_S = 2.0
# Probes come without a token: a flood of them must not become one of connections.
REUSED_FOR_S = 1.0

# The names of more would make a long answer; metrics have all.
MAX_BACKENDS = 50

OK = "ok"
TIMEOUT = "timeout"
T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """What the database says: of itself, and of the backends that it knows."""

    state: str = "unavailable"
    migrations: str = "unknown"
    backends: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Readiness:
    """What ``/readyz`` says: a word for each part, ``ok`` or what is wrong with it."""

    database: Database
    broker: str
    kafka: str

    @property
    def is_ready(self) -> bool:
        """Say whether requests may come: the database alone decides."""
        return self.database.state == OK and self.database.migrations == OK

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        checks = {
            "database": self.database.state,
            "migrations": self.database.migrations,
            "broker": self.broker,
            "kafka": self.kafka,
            "backends": dict(self.database.backends),
        }
        return {"status": OK if self.is_ready else "unready", "checks": checks}


class Prober:
    """Asks each part in a thread of its own, so that one that hangs holds up nobody.

    A probe that is still hanging is not started anew; its part stays ``timeout``.
    """

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._lock = Lock()
        self._pending: dict[str, Future[Any]] = {}
        self._last: tuple[float, Readiness] | None = None

    def readiness(self) -> Readiness:
        """Return what the parts say now, or said within the last second."""
        with self._lock:
            if self._last and time.monotonic() - self._last[0] < REUSED_FOR_S:
                return self._last[1]
            until = time.monotonic() + TIMEOUT_S
            self._start("database", check_database)
            self._start("broker", check_broker)
            self._start("kafka", check_kafka)
            found = Readiness(
                self._result("database", until, Database(TIMEOUT)),
                self._result("broker", until, TIMEOUT),
                self._result("kafka", until, TIMEOUT),
            )
            self._last = (time.monotonic(), found)
            return found

    def _start(self, name: str, check: Callable[[], object]) -> None:
        if name in self._pending:
            return
        future = self._pending[name] = Future()
        # A daemon: one that hangs must not keep the process from ending.
        Thread(
            target=lambda: future.set_result(check()),
            name=f"readyz-{name}",
            daemon=True,
        ).start()

    def _result(self, name: str, until: float, otherwise: T) -> T:
        try:
            result: T = self._pending[name].result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            return otherwise
        del self._pending[name]
        return result


def check_database() -> Database:
    """Ask the database, over a connection of this thread's own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return Database(OK, "missing")
        return Database(OK, OK, backends.states(MAX_BACKENDS))
    except Exception as exc:  # whatever it is, the probe has to answer
        log.warning("the database does not answer", error=str(exc))
        return Database()
    finally:
        connection.close()


def check_kafka() -> str:
    """Say whether one of Kafka's servers takes a connection.

    The API does not speak to Kafka, consumer and publisher do: what they say of it is
    in their own probes.
    """
    servers = settings.KAFKA_BOOTSTRAP_SERVERS.split(",")
    for server in servers:
        host, _, port = server.strip().rpartition(":")
        try:
            # All of them within the time: the first one may be the one that is away.
            address = (host.strip("[]"), int(port))
            socket.create_connection(address, TIMEOUT_S / len(servers)).close()
            return OK
        except (OSError, ValueError) as exc:
            log.info("kafka does not answer", server=server, error=str(exc))
    return "unavailable"


def check_broker() -> str:
    """Say whether the broker takes a connection."""
    try:
        with current_app.connection_for_write(connect_timeout=2) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        return OK
    except Exception as exc:  # whatever it is, the probe has to answer
        log.warning("the broker does not answer", error=type(exc).__name__)
        return "unavailable"


prober = Prober()


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """Answer that this process is alive."""
    return JsonResponse({"status": OK})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if requests may come, else 503; the body says why."""
    found = prober.readiness()
    return JsonResponse(found.as_dict(), status=200 if found.is_ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics, in the format that the scraper accepts.

    What the database says is beside what the processes have counted, once.
    """
    source = state_metrics.beside(shared_metrics.registry())
    page, content_type = shared_metrics.page(source, request.headers.get("Accept", ""))
    return HttpResponse(page, content_type=content_type)


urlpatterns: list[URLPattern] = [
    path("livez", livez),
    path("readyz", readyz),
    path("metrics", metrics),
]
