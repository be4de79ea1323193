"""Drift in the admin: what servers hold beside ours, restored or adopted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from dns_records.admin.rrsets import TypeFilter
from dns_records.images import Key
from dns_records.models import AuditKind, Drift, Zone
from dns_records.services import drift_requests
from requests_tracker.admin import base, display
from requests_tracker.admin.base import ReadOnlyAdmin
from requests_tracker.services.idempotency import Answer


def tell(
    page: admin.ModelAdmin[Any], request: HttpRequest, zone: Zone, answer: Answer
) -> None:
    """Say which request was made about a zone, or why there is none."""
    if answer.status >= 400:
        text = f"nothing is done about {zone.name}: {answer.body['detail']}"
        page.message_user(request, text, messages.ERROR)
        return
    where = reverse("admin:requests_tracker_request_change", args=[answer.request_id])
    made = format_html(
        'request <a href="{}">{}</a> about {}', where, answer.request_id, zone
    )
    page.message_user(request, made, messages.SUCCESS)


class OpenFilter(admin.SimpleListFilter):
    """By whether drift is open; that which is, if nothing is chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices beside what is open."""
        return [("resolved", "resolved"), ("every", "every")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield them, after what is shown if none is chosen."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "open"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the drift in the state chosen."""
        match self.value():
            case "resolved":
                return queryset.filter(resolved_at__isnull=False)
            case "every":
                return queryset
        return queryset.filter(resolved_at__isnull=True)


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin[Drift]):
    """RRsets that are not as they were left, newest first."""

    list_display = (
        "name",
        "type",
        "state",
        "ours",
        "theirs",
        "found",
        "last_written",
        "resolution",
    )
    list_filter = (OpenFilter, "kind", base.ZoneFilter, TypeFilter)
    list_select_related = ("zone",)
    search_fields = ("name",)
    search_help_text = "Owner name"
    ordering = ("-id",)
    fields = (*list_display, "zone", "resolved")
    readonly_fields = fields
    actions = ("restore", "adopt")

    @admin.display(description="kind")
    def state(self, row: Drift) -> str:
        """Return how it differs."""
        return display.badge(row.kind)

    @admin.display(description="wanted")
    def ours(self, row: Drift) -> str:
        """Return what was applied last."""
        return format_html("<pre>{}</pre>", display.image(row.wanted))

    @admin.display(description="served")
    def theirs(self, row: Drift) -> str:
        """Return what the update server holds."""
        return format_html("<pre>{}</pre>", display.image(row.served))

    @admin.display(description="found")
    def found(self, row: Drift) -> str:
        """Return when an audit found it first."""
        return display.moment(row.found_at)

    @admin.display(description="resolved")
    def resolved(self, row: Drift) -> str:
        """Return since when it is right again."""
        return display.moment(row.resolved_at)

    @admin.display(description="last written by")
    def last_written(self, row: Drift) -> str:
        """Return the last request that wrote the RRset."""
        return _request(row.touched_by_id)

    @admin.display(description="resolved by")
    def resolution(self, row: Drift) -> str:
        """Return the request that resolves it."""
        return _request(row.resolving_id)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to change zones."""
        user = request.user
        return user.is_active and user.has_perm("dns_records.change_zone")

    @admin.action(
        description="Restore: write what is wanted again", permissions=["resolve"]
    )
    def restore(self, request: HttpRequest, queryset: QuerySet[Drift]) -> None:
        """Have the wanted state written again."""
        self._resolve(request, queryset, AuditKind.RESTORE)

    @admin.action(
        description="Adopt: make what is served the wanted state",
        permissions=["resolve"],
    )
    def adopt(self, request: HttpRequest, queryset: QuerySet[Drift]) -> None:
        """Take over what the servers hold."""
        self._resolve(request, queryset, AuditKind.ADOPT)

    def _resolve(
        self, request: HttpRequest, queryset: QuerySet[Drift], by: AuditKind
    ) -> None:
        """Ask for it, by one request for each zone."""
        keys: dict[Zone, list[Key]] = defaultdict(list)
        for row in queryset.select_related("zone"):
            keys[row.zone].append(Key(row.name, row.type))
        for zone, own in keys.items():
            access = base.access(request)
            answer = drift_requests.resolve(zone, access, by=by, keys=own)
            tell(self, request, zone, answer)


def _request(request_id: object) -> str:
    if request_id is None:
        return display.NOTHING
    page = reverse("admin:requests_tracker_request_change", args=[request_id])
    return format_html('<a href="{}">{}</a>', page, str(request_id)[:13])
