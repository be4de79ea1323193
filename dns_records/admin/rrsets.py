"""The wanted state in the admin: RRsets and the changes that made them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from dns_records import names, record_types
from dns_records.admin.rrset_pages import RRsetPages
from dns_records.models import Change, Record, RRset
from dns_records.plan import public_action
from dns_records.selectors import history, rrsets
from dnsorch.exceptions import Invalid
from requests_tracker.admin import base, display
from requests_tracker.admin.base import ReadOnlyAdmin

SHOWN = 5
SHORT_ID = 13
HISTORY = 20
TOLD = ("State", "Action", "Before", "After", "Request", "By", "When")


class StateFilter(admin.SimpleListFilter):
    """By whether an RRset is live, on its way, or gone."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [("live", "live"), ("pending", "pending"), ("absent", "absent")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the RRsets of the state chosen; they have ``pending``."""
        match self.value():
            case "live":
                return queryset.filter(present=True, pending=False)
            case "pending":
                return queryset.filter(pending=True)
            case "absent":
                return queryset.filter(present=False, pending=False)
        return queryset


class TypeFilter(base.TextFilter):
    """By type; those that can be managed are proposed, and too many to be listed."""

    title = "type"
    parameter_name = "type"

    def suggestions(self) -> list[str]:
        """Return the types that can be managed."""
        return sorted(record_types.RECORD_TYPES)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the type that is typed in."""
        wanted = (self.value() or "").strip().upper()
        return queryset.filter(type=wanted) if wanted else queryset


@admin.register(RRset)
class RRsetAdmin(RRsetPages):
    """What is wanted, and whether it is live."""

    list_display = ("name", "type", "ttl", "values", "state", "version", "zone")
    list_filter = (StateFilter, base.ZoneFilter, TypeFilter)
    search_fields = ("name",)  # only asks for a search box: get_search_results finds
    search_help_text = "Owner name or its beginning, or rdata such as 192.0.2.1"
    ordering = ("zone_id", "name", "type")  # as the index has them
    fields = (
        "name",
        "name_unicode",
        "type",
        "zone",
        "state",
        "ttl",
        "all_values",
        "applied_image",
        "comment",
        "version",
        "updated",
        "history",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[RRset]:
        """Return RRsets with their state and records."""
        return rrsets.with_state(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RRset], search_term: str
    ) -> tuple[QuerySet[RRset], bool]:
        """Return what has the term as its rdata, or as the beginning of its name."""
        if not (term := search_term.strip()):
            return queryset, False
        by_name = RRset.objects.filter(name=_absolute(term)).values("pk")
        records = Record.objects.filter(digest__in=_digests(term))
        # A union: databases answer the two joined by OR with a scan.
        found = queryset.filter(pk__in=by_name.union(records.values("rrset")))
        if found.exists():
            return found, False
        return queryset.filter(name__startswith=term.lower()), False

    @admin.display(description="name in Unicode")
    def name_unicode(self, rrset: RRset) -> str:
        """Return the name as people read it."""
        return names.display(rrset.name)

    @admin.display(description="records")
    def values(self, rrset: RRset) -> str:
        """Return the first records, each with its end."""
        records = list(rrset.records.all())
        more = f"and {len(records) - SHOWN} more" if len(records) > SHOWN else ""
        return format_html(
            "{}<small>{}</small>",
            format_html_join(
                "", "<div>{}{}</div>", ((r.rdata, _end(r)) for r in records[:SHOWN])
            ),
            more,
        )

    @admin.display(description="records")
    def all_values(self, rrset: RRset) -> str:
        """Return all records, each with its id, comment and end."""
        return format_html_join(
            "",
            '<div>{} <small class="quiet">{} {}{}</small></div>',
            ((r.rdata, r.pk, r.comment or "", _end(r)) for r in rrset.records.all()),
        )

    @admin.display(description="state")
    def state(self, rrset: RRset) -> str:
        """Return whether it is live, pending or gone."""
        if not rrset.present and rrsets.state(rrset) == "live":
            return display.badge("absent")
        return display.badge(rrsets.state(rrset))

    @admin.display(description="on the server")
    def applied_image(self, rrset: RRset) -> str:
        """Return what the last decided UPDATE left on the update server."""
        return format_html(
            '<pre class="dnsorch-data">{}</pre>', display.image(rrset.applied)
        )

    @admin.display(description="updated")
    def updated(self, rrset: RRset) -> str:
        """Return when it was last written."""
        return display.moment(rrset.updated_at)

    @admin.display(description="history")
    def history(self, rrset: RRset) -> str:
        """Return the last changes, newest first: what, by whom, by which request."""
        changes = history.of(rrset)[:HISTORY]
        return format_html(
            '<div class="dnsorch-scroll"><table class="dnsorch-table">'
            "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
            format_html_join("", '<th scope="col">{}</th>', ((each,) for each in TOLD)),
            format_html_join("", "<tr>{}</tr>", ((_told(each),) for each in changes)),
        )


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin[Change]):
    """Every change, newest first."""

    list_display = ("id", "name", "type", "does", "state", "old", "new", "asked_by")
    list_filter = ("status", base.ZoneFilter, TypeFilter)
    list_select_related = ("request",)
    search_fields = ("name",)  # only asks for a search box: get_search_results finds
    search_help_text = "Owner name or its beginning"
    ordering = ("-id",)
    fields = (
        "name",
        "type",
        "zone",
        "does",
        "state",
        "old",
        "new",
        "asked_by",
        "update",
        "applied",
        "replaced_by",
        "next_check_at",
        "check_deadline_at",
        "servers",
        "version",
    )
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Change], search_term: str
    ) -> tuple[QuerySet[Change], bool]:
        """Return the changes of a name, by index; else of names that begin so."""
        if not (term := search_term.strip()):
            return queryset, False
        exact = queryset.filter(name=_absolute(term))
        if exact.exists():
            return exact, False
        return queryset.filter(name__startswith=term.lower()), False

    @admin.display(description="action")
    def does(self, change: Change) -> str:
        """Return the action as clients know it."""
        return public_action(change.action)

    @admin.display(description="state")
    def state(self, change: Change) -> str:
        """Return the state in its colour."""
        return display.badge(change.status)

    @admin.display(description="before")
    def old(self, change: Change) -> str:
        """Return what the change found."""
        return format_html("<pre>{}</pre>", display.image(change.before))

    @admin.display(description="after")
    def new(self, change: Change) -> str:
        """Return what the change leaves."""
        return format_html("<pre>{}</pre>", display.image(change.after))

    @admin.display(description="request")
    def asked_by(self, change: Change) -> str:
        """Return the request that owns the change, and of whom it is."""
        return format_html(
            '<a href="{}">{}</a><br><small>{}</small>',
            _request_page(change),
            str(change.request_id)[:SHORT_ID],
            change.request.requester,
        )

    @admin.display(description="UPDATE")
    def update(self, change: Change) -> str:
        """Return the message that it went out with."""
        batch = change.batch
        return f"{batch.epoch}.{batch.number}" if batch else display.NOTHING

    @admin.display(description="applied")
    def applied(self, change: Change) -> str:
        """Return when the update server took it."""
        return display.moment(change.applied_at)

    @admin.display(description="superseded by")
    def replaced_by(self, change: Change) -> str:
        """Return the later change that took its place."""
        return str(change.superseded_by_id or display.NOTHING)

    @admin.display(description="name servers")
    def servers(self, change: Change) -> str:
        """Return what each name server said."""
        return display.block(change.nameservers)


def _end(record: Record) -> str:
    """Return when a record goes by itself, "" if it does not."""
    at = record.expires_at
    return f" (until {display.stamp(at)})" if at else ""


def _absolute(text: str) -> str:
    """Return the canonical name that ``text`` is, "" if it is none."""
    try:
        return names.absolute_name(text)
    except Invalid:
        return ""


def _digests(text: str) -> list[str]:
    """Return the digests of ``text`` as rdata of any type that it is."""
    try:
        return rrsets.digests(text, "", ".")
    except Invalid:
        return []


def _request_page(change: Change) -> str:
    return reverse("admin:requests_tracker_request_change", args=[change.request_id])


def _told(change: Change) -> str:
    """Return a change as a row of the history."""
    request = change.request
    cells: list[str] = [
        display.badge(change.status),
        public_action(change.action),
        format_html("<pre>{}</pre>", display.image(change.before)),
        format_html("<pre>{}</pre>", display.image(change.after)),
        format_html(
            '<a href="{}">{}</a>', _request_page(change), str(request.pk)[:SHORT_ID]
        ),
        format_html(
            '{}<br><small class="quiet">{} {}</small>',
            request.requester,
            request.source,
            request.on_behalf_of,
        ),
        display.moment(request.received_at),
    ]
    return format_html_join("", "<td>{}</td>", ((each,) for each in cells))
