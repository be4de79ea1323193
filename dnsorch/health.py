"""Probes and metrics: ``/livez``, ``/readyz``, ``/metrics``; none needs a token.

Live is a process that answers. Ready is one whose database answers within a short
time and has every migration; the broker is reported only, since without it a change
is taken and just starts later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread

import structlog
from celery import current_app
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dnsorch import metrics as shared_metrics
from dnsorch import state_metrics

log = structlog.get_logger(__name__)

TIMEOUT_S = 2.0
# Probes come without a token: a flood of them must not become one of connections.
REUSED_FOR_S = 1.0

OK = "ok"


@dataclass(frozen=True)
class Readiness:
    """What ``/readyz`` says: a word for each part, ``ok`` or what is wrong with it."""

    database: str
    migrations: str
    broker: str

    @property
    def is_ready(self) -> bool:
        """Say whether requests may come."""
        return self.database == OK and self.migrations == OK

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        checks = {
            "database": self.database,
            "migrations": self.migrations,
            "broker": self.broker,
        }
        return {"status": OK if self.is_ready else "unready", "checks": checks}


class Prober:
    """Asks each part in a thread of its own, so that one that hangs holds up nobody.

    A probe that is still hanging is not started anew; its part stays ``timeout``.
    """

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._lock = Lock()
        self._pending: dict[str, Future[str]] = {}
        self._last: tuple[float, Readiness] | None = None

    def readiness(self) -> Readiness:
        """Return what the parts say now, or said within the last second."""
        with self._lock:
            if self._last and time.monotonic() - self._last[0] < REUSED_FOR_S:
                return self._last[1]
            until = time.monotonic() + TIMEOUT_S
            self._start("database", check_database)
            self._start("broker", check_broker)
            database, _, migrations = self._result("database", until).partition("/")
            found = Readiness(
                database, migrations or "unknown", self._result("broker", until)
            )
            self._last = (time.monotonic(), found)
            return found

    def _start(self, name: str, check: Callable[[], str]) -> None:
        if name in self._pending:
            return
        future = self._pending[name] = Future()
        # A daemon: one that hangs must not keep the process from ending.
        Thread(
            target=lambda: future.set_result(check()),
            name=f"readyz-{name}",
            daemon=True,
        ).start()

    def _result(self, name: str, until: float) -> str:
        try:
            result = self._pending[name].result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            return "timeout"
        del self._pending[name]
        return result


def check_database() -> str:
    """Return ``<database>/<migrations>``, over a connection of this thread's own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        return f"{OK}/missing" if plan else f"{OK}/{OK}"
    except Exception as exc:  # whatever it is, the probe has to answer
        log.warning("the database does not answer", error=str(exc))
        return "unavailable"
    finally:
        connection.close()


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
