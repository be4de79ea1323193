"""Operator tasks in the admin: what was started, by whom, and what it found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django_celery_results import admin as _registers_its_pages  # noqa: F401
from django_celery_results.models import GroupResult, TaskResult

from dnsorch import clock
from dnsorch.operator_tasks import selectors
from dnsorch.operator_tasks.models import OperatorTask
from requests_tracker.admin import base, display
from requests_tracker.admin.base import ReadOnlyAdmin

# The library's own pages show the same rows for machines.
admin.site.unregister([TaskResult, GroupResult])

# So long a page is loaded anew while its task is on its way.
WATCHED = timedelta(minutes=2)
# Longer than a task waits behind others, and longer than one may run.
MISSED_AFTER = timedelta(minutes=10)
# Where a person looks for what a task was about, by the kind in its key.
PAGES = {
    "zone": "admin:dns_records_zone_change",
    "deadletters": "admin:kafka_bridge_deadletter_changelist",
}


class KindFilter(admin.SimpleListFilter):
    """By task, as people call it."""

    title = "task"
    parameter_name = "task"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the tasks that there are."""
        tasks = OperatorTask.objects.order_by("task_name")
        names = tasks.values_list("task_name", flat=True).distinct()
        return [(each, each.rpartition(".")[2].replace("_", " ")) for each in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tasks of the kind chosen."""
        return queryset.filter(task_name=self.value()) if self.value() else queryset


class AboutFilter(base.ZoneFilter):
    """By the zone that a task was about."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tasks that name the zone."""
        if not (text := (self.value() or "").strip()):
            return queryset
        named = selectors.about(text.rstrip(".").lower() + ".")
        return queryset.filter(pk__in=named.values("pk"))


@admin.register(OperatorTask)
class OperatorTaskAdmin(ReadOnlyAdmin[OperatorTask]):
    """A list of the tasks that were started, and a page that says how one went."""

    change_form_template = "admin/operator_tasks/operatortask/change_form.html"
    list_display = ("title", "state", "subject", "found", "by", "started", "took")
    list_filter = (KindFilter, AboutFilter)
    ordering = ("-date_created",)

    @admin.display(description="state")
    def state(self, task: OperatorTask) -> str:
        """Return the state in its colour."""
        return display.badge(state(task))

    @admin.display(description="about")
    def subject(self, task: OperatorTask) -> str:
        """Return the first names of what it is about."""
        names = list(task.about.values())
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more

    @admin.display(description="found")
    def found(self, task: OperatorTask) -> str:
        """Return the outcome in a line."""
        return task.outcome.summary if task.outcome else task.failure

    @admin.display(description="started by")
    def by(self, task: OperatorTask) -> str:
        """Return who started it."""
        return task.started_by

    @admin.display(description="started")
    def started(self, task: OperatorTask) -> str:
        """Return when it was started."""
        return display.moment(task.date_created)

    @admin.display(description="took")
    def took(self, task: OperatorTask) -> str:
        """Return how long it took, from the click to the end."""
        if not task.is_done:
            return display.NOTHING
        return display.span(task.date_done - task.date_created)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: OperatorTask | None = None,
    ) -> Any:
        """Give the template what it shows instead of a form."""
        assert obj is not None  # nobody adds one here
        outcome = obj.outcome
        context |= {
            "title": obj.title,
            "subtitle": None,
            "badge": display.badge(state(obj)),
            "headline": headline(obj),
            "time": display.ago(obj.date_created),
            "watched": not obj.is_done and _age(obj) < WATCHED,
            "about": [(name, _page(key)) for key, name in obj.about.items()],
            "facts": _facts(obj),
            "findings": (
                [(each, display.badge(each.level)) for each in outcome.findings]
                if outcome
                else []
            ),
        }
        return super().render_change_form(request, context, add, change, form_url, obj)


def state(task: OperatorTask) -> str:
    """Return the state of a task as people call it."""
    if task.outcome:
        return task.outcome.level
    if task.is_done:
        return "failed"
    if _age(task) > MISSED_AFTER:
        return "missed"
    return "running" if task.is_running else "waiting"


def headline(task: OperatorTask) -> str:
    """Return in a sentence how a task went, or what it waits for."""
    if task.outcome:
        return task.outcome.summary
    match state(task):
        case "failed":
            return f"It failed: {task.failure}"
        case "missed":
            return "No worker has reported its end: start it again."
        case "running":
            return "A worker is at it."
    return "It waits for a worker."


def tell_started(request: HttpRequest, task: OperatorTask) -> HttpResponseRedirect:
    """Lead whoever started a task to where they see how it goes."""
    page = reverse("admin:operator_tasks_operatortask_change", args=[task.pk])
    if not request.user.has_perm("operator_tasks.view_operatortask"):
        page = reverse("admin:index")
    text = format_html("{} started: {}", task.title, ", ".join(task.about.values()))
    messages.success(request, text)
    return HttpResponseRedirect(page)


def excerpt(task: OperatorTask, group: str) -> dict[str, Any]:
    """Return what another page shows of a task: what it found about one group."""
    own = task.outcome.of(group) if task.outcome else None
    return {
        "badge": display.badge(own.level if own else state(task)),
        "headline": "" if own else headline(task),
        "page": reverse("admin:operator_tasks_operatortask_change", args=[task.pk]),
        "time": display.ago(task.date_created),
        "started_by": task.started_by,
        "findings": own.findings if own else (),
    }


def _age(task: OperatorTask) -> timedelta:
    age: timedelta = clock.now() - task.date_created
    return age


def _page(key: str) -> str:
    """Return the address of what a task was about."""
    kind, _, number = key.partition(":")
    return reverse(PAGES[kind], args=[number] if number else [])


def _facts(task: OperatorTask) -> list[tuple[str, str]]:
    facts = {
        "started by": task.started_by,
        "started": f"{display.stamp(task.date_created)}",
        "ended": display.stamp(task.date_done) if task.is_done else "",
        "worker": task.worker or "",
        "task": display.code(task.task_name),
        "id": display.code(task.task_id),
    }
    facts |= {
        name.replace("_", " "): ", ".join(map(str, value))
        for name, value in task.details.get("arguments", {}).items()
    }
    return [(label, value) for label, value in facts.items() if value]
