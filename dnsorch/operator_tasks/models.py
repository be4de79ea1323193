"""An operator task as django-celery-results keeps it."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import states
from django_celery_results.models import TaskResult

from dnsorch.operator_tasks.outcome import Outcome


class OperatorTask(TaskResult):
    """A task that a person started, its state and its outcome.

    ``meta`` holds what Celery does not know: who started it, what people call it,
    what it is about (a key such as ``zone:17``, and its name) and its arguments.
    Wake-ups keep no results, so every row is one of these.
    """

    if TYPE_CHECKING:
        # What the library says without types.
        objects: Any
        date_created: datetime
        date_done: datetime
        status: str
        task_id: str
        task_name: str
        worker: str | None

    class Meta:
        """Rows of django-celery-results; permissions of our own."""

        proxy = True
        verbose_name = "operator task"
        default_permissions = ("view",)
        permissions = [
            ("check_nameservers", "Can have the name servers of a zone checked"),
        ]

    def __str__(self) -> str:
        return self.title

    @cached_property
    def details(self) -> dict[str, Any]:
        """What was written when the task was started."""
        found: dict[str, Any] = json.loads(self.meta or "{}")
        return found

    @property
    def title(self) -> str:
        """What people call the task."""
        return str(self.details.get("title", self.task_name))

    @property
    def started_by(self) -> str:
        """The name of the person who started it."""
        return str(self.details.get("started_by", ""))

    @property
    def about(self) -> dict[str, str]:
        """What it is about: names by key."""
        found: dict[str, str] = self.details.get("about", {})
        return found

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in states.READY_STATES

    @property
    def is_running(self) -> bool:
        """Whether a worker has taken it, and has not ended it yet."""
        return self.status == states.STARTED

    @cached_property
    def outcome(self) -> Outcome | None:
        """What it found; None until it has succeeded."""
        if self.status != states.SUCCESS:
            return None
        return Outcome.load(json.loads(self.result))

    @property
    def failure(self) -> str:
        """Why it failed, in words; empty unless it did."""
        if self.status not in states.EXCEPTION_STATES:
            return ""
        error = json.loads(self.result or "{}")
        message = error.get("exc_message") or ""
        text = message if isinstance(message, str) else "; ".join(map(str, message))
        return text or error.get("exc_type", "no reason was given")
