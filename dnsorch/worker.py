"""Probes and metrics of a Celery worker: served by its main process.

The processes of its pool do the tasks and count (``PROMETHEUS_MULTIPROC_DIR``); the
main one has time to answer. It is ready while it has the broker. It is not alive if
its event loop stands still with the broker there: without the broker the loop stands
still on purpose, and a restart would only make that longer.

What needs the settings is imported when there are settings.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from celery import bootsteps, signals

if TYPE_CHECKING:
    from dnsorch.probes import Heartbeat, Server

BEAT_S = 5.0
# By the id of the process that serves: those of its pool inherit the port.
_servers: dict[int, Server] = {}


class WorkerProbes:
    """What probes see of the worker's main process."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        """``heartbeat`` is that of the event loop."""
        self.heartbeat = heartbeat
        self.connected = False

    @property
    def alive(self) -> bool:
        """Whether the event loop turns, unless there is nothing that it could turn."""
        return not self.connected or self.heartbeat.alive

    @property
    def ready(self) -> bool:
        """Whether the worker takes tasks."""
        return self.connected and self.heartbeat.ready

    def beat(self) -> None:
        """Say that the event loop has turned."""
        self.connected = True
        self.heartbeat.beat(ready=True)

    def disconnect(self) -> None:
        """Say that the broker is away, or that the worker ends."""
        self.connected = False
        self.heartbeat.beat(ready=False)


class Beat(bootsteps.StartStopStep):
    """Beats while the worker takes tasks: between two losses of the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Begin; Celery forgets the timer when the connection is lost."""
        probes = worker_probes()
        probes.beat()
        consumer.timer.call_repeatedly(BEAT_S, probes.beat)

    def stop(self, consumer: Any) -> None:
        """End."""
        worker_probes().disconnect()

    shutdown = stop


_probes: WorkerProbes | None = None


def worker_probes() -> WorkerProbes:
    """Return the one that this process has."""
    global _probes
    if _probes is None:
        from dnsorch.probes import Heartbeat

        _probes = WorkerProbes(Heartbeat("worker"))
    return _probes


@signals.worker_init.connect
def serve(**_: Any) -> None:
    """Serve ``/metrics`` and the probes, before there is a pool or a broker."""
    from django.conf import settings

    from dnsorch import probes

    if settings.DNSORCH_METRICS_PORT:
        server = probes.bind(worker_probes(), settings.DNSORCH_METRICS_PORT)
        _servers[os.getpid()] = server
        probes.start(server)


@signals.worker_process_init.connect
def leave_port(**_: Any) -> None:
    """Close the port in a process of the pool: it belongs to the main one."""
    for process_id, server in _servers.items():
        if process_id != os.getpid():
            server.socket.close()


@signals.worker_before_create_process.connect
def spare_what_stays(**_: Any) -> None:
    """Keep the garbage collector off the modules before a process is forked.

    The pool then shares them: to look at an object is to write into its page.
    """
    from dnsorch import startup

    startup.spare_what_stays()


@signals.task_prerun.connect
def keep_database_connection(task: Any, **_: Any) -> None:
    """Use the connection of the task before, unless it is broken or too old.

    As Django does between two requests of a client: to connect anew costs a process of
    PostgreSQL's, which has all tables to look up again, and a password to be proven.
    """
    from django.db import close_old_connections

    if not task.request.is_eager:
        close_old_connections()
