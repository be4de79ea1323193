"""The Celery application of the workers.

A task runs in the trace of whoever published it: the traceparent is a header of its
message. Nothing else of tracing is known here before Django's settings are.
"""

from __future__ import annotations

import os
from typing import Any

import django
import structlog
from celery import Celery, Task, signals
from django.apps import apps

from dnsorch import worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")
# Celery would run Django's checks, which import all that the API serves.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")


class TracedTask(Task[Any, Any]):
    """A task with a span, and with the trace's id on its log lines."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task."""
        from dnsorch import tracing

        parent = self.request.get(tracing.HEADER) or ""
        kind = tracing.SpanKind.CONSUMER
        with tracing.span(f"run {self.name}", parent=parent, kind=kind):
            ours = tracing.trace_id(tracing.traceparent())
            about = {"trace_id": ours} if ours else {}
            with structlog.contextvars.bound_contextvars(task=self.name, **about):
                return self.run(*args, **kwargs)


@signals.before_task_publish.connect
def carry_trace(headers: dict[str, Any], **_: Any) -> None:
    """Write the running span into the message's headers."""
    from dnsorch import tracing

    if parent := tracing.traceparent():
        headers[tracing.HEADER] = parent


@signals.worker_process_shutdown.connect
def export_last_spans(**_: Any) -> None:
    """Export what a process of the worker's pool still has: it ends abruptly."""
    from dnsorch import tracing

    tracing.shutdown()


app = Celery("dnsorch", task_cls=TracedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(worker.Beat)


def set_up_django(**kwargs: Any) -> None:
    """Set Django up before Celery does, which would hide what is wrong.

    Celery logs what a receiver of its signals raises, and goes on; SystemExit it lets
    through. Anywhere but in a worker Django is set up already, or about to be.
    """
    from dnsorch import startup

    if not (apps.ready or apps.loading):
        with startup.one_sentence():
            django.setup()


def require_database(**kwargs: Any) -> None:
    """Refuse to take work that would fail for want of a table."""
    from dnsorch import startup

    with startup.one_sentence():
        startup.require_database()


app.on_configure.connect(set_up_django, weak=False)
signals.celeryd_init.connect(require_database, weak=False)
