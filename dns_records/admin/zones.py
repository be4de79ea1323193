"""Zones in the admin: registered, changed and forgotten through their service."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from dns_records.admin import imports
from dns_records.admin.drift import tell
from dns_records.admin.forms import ZoneForm
from dns_records.admin.imports import ImportingAdmin
from dns_records.models import RRset, Zone
from dns_records.services import drift_requests, nameserver_check, orders, zones
from dns_records.services.orders import Order
from dnsorch.exceptions import DnsorchError
from dnsorch.operator_tasks.admin import excerpt, tell_started
from requests_tracker.admin import base, display


@admin.register(Zone)
class ZoneAdmin(ImportingAdmin):
    """Zones, their policy, and a way to the lane and the RRsets of each."""

    form = ZoneForm
    change_form_template = "admin/dns_records/zone/change_form.html"
    list_display = (
        "name",
        "backend",
        "lane_state",
        "servers",
        "verify_policy",
        "fencing",
        "links",
    )
    list_filter = ("backend", "verify_policy", "lane__state")
    list_select_related = ("backend", "lane")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "backend", "ptr_policy")}),
        ("TTL", {"fields": ("default_ttl", "min_ttl", "max_ttl")}),
        (
            "Verification",
            {
                "fields": (
                    "nameservers",
                    "verify_policy",
                    "verify_k",
                    "verify_deadline_s",
                )
            },
        ),
        ("Safety", {"fields": ("fencing", "mode", "audit_interval_s")}),
    )
    actions = ("check_nameservers", "reconcile", "audit")

    @admin.display(description="lane")
    def lane_state(self, zone: Zone) -> str:
        """Return the state of the lane; its last error is the title."""
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:dns_records_lane_change", args=[zone.pk]),
            display.badge(zone.lane.state, title=zone.lane.last_error),
        )

    @admin.display(description="name servers")
    def servers(self, zone: Zone) -> str:
        """Return the addresses."""
        return ", ".join(zone.nameservers) or display.NOTHING

    @admin.display(description="")
    def links(self, zone: Zone) -> str:
        """Return the ways to what is in the zone."""
        query = urlencode({"zone": zone.name})
        return format_html(
            '<a href="{}?{}">RRsets</a> · <a href="{}?{}">requests</a>',
            reverse("admin:dns_records_rrset_changelist"),
            query,
            reverse("admin:requests_tracker_request_changelist"),
            query,
        )

    # --- the name-server check -----------------------------------------------------

    def has_check_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to have name servers checked."""
        user = request.user
        return user.is_active and user.has_perm("operator_tasks.check_nameservers")

    @admin.action(
        description="Check the name servers of selected zones", permissions=["check"]
    )
    def check_nameservers(
        self, request: HttpRequest, queryset: QuerySet[Zone]
    ) -> HttpResponseBase | None:
        """Start one task for all of them, and show it."""
        most = nameserver_check.MAX_ZONES + 1
        return self._start_check(request, list(queryset.order_by("name")[:most]))

    def check_view(self, request: HttpRequest, zone_id: int) -> HttpResponseBase:
        """Start the check of one zone: by POST only.

        Raises:
            PermissionDenied: the person may not have name servers checked.
            Http404: there is no such zone.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_check_permission(request):
            raise PermissionDenied
        zone = Zone.objects.filter(pk=zone_id).first()
        if zone is None:
            raise Http404
        page = reverse("admin:dns_records_zone_change", args=[zone.pk])
        return self._start_check(request, [zone]) or HttpResponseRedirect(page)

    def _start_check(
        self, request: HttpRequest, chosen: list[Zone]
    ) -> HttpResponseBase | None:
        try:
            task = nameserver_check.start(
                zones=chosen, started_by=request.user.get_username()
            )
        except DnsorchError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return None
        return tell_started(request, task)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Zone | None = None,
    ) -> Any:
        """Give the template the last check, and whether this person may start one."""
        context["may_check"] = self.has_check_permission(request)
        context["may_audit"] = self.has_reconcile_permission(request)
        context["last_import"] = imports.last(obj) if obj else None
        if obj and request.user.has_perm("operator_tasks.view_operatortask"):
            last = nameserver_check.last(obj)
            context["last_check"] = excerpt(last, obj.name) if last else None
        return super().render_change_form(request, context, add, change, form_url, obj)

    # --- comparing -----------------------------------------------------------------

    def has_reconcile_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to change zones."""
        user = request.user
        return user.is_active and user.has_perm("dns_records.change_zone")

    @admin.action(
        description="Compare with the update server, put back what differs",
        permissions=["reconcile"],
    )
    def reconcile(self, request: HttpRequest, queryset: QuerySet[Zone]) -> None:
        """Leave an order to the sweep: the API's processes ask no name server."""
        access = base.access(request)
        for zone in queryset:
            order = Order("asked for in the admin", access.owner, access.source)
            orders.reconcile(zone, order)
            text = "will be compared, and what is not as it was left put back"
            self.message_user(request, f"{zone.name}: {text}", messages.SUCCESS)

    @admin.action(
        description="Compare with the update server, note what differs",
        permissions=["reconcile"],
    )
    def audit(self, request: HttpRequest, queryset: QuerySet[Zone]) -> None:
        """Ask for an audit of each, as tracked requests."""
        for zone in queryset:
            tell(self, request, zone, drift_requests.audit(zone, base.access(request)))

    def audit_view(self, request: HttpRequest, zone_id: int) -> HttpResponseBase:
        """Ask for an audit of one zone: by POST only.

        Raises:
            PermissionDenied: the person may not change zones.
            Http404: there is no such zone.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_reconcile_permission(request):
            raise PermissionDenied
        found = Zone.objects.filter(pk=zone_id)
        if not found.exists():
            raise Http404
        self.audit(request, found)
        page = reverse("admin:dns_records_zone_change", args=[zone_id])
        return HttpResponseRedirect(page)

    # --- forgetting ----------------------------------------------------------------

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to delete zones."""
        user = request.user
        return user.is_active and user.has_perm("dns_records.delete_zone")

    def get_urls(self) -> list[URLPattern]:
        """Add the check, the audit, and the page that asks before one is forgotten."""
        check = path(
            "<int:zone_id>/check/",
            self.admin_site.admin_view(self.check_view),
            name="dns_records_zone_check",
        )
        forget = path(
            "<int:zone_id>/forget/",
            self.admin_site.admin_view(self.forget_view),
            name="dns_records_zone_forget",
        )
        audit = path(
            "<int:zone_id>/audit/",
            self.admin_site.admin_view(self.audit_view),
            name="dns_records_zone_audit",
        )
        return [check, forget, audit, *super().get_urls()]

    def forget_view(self, request: HttpRequest, zone_id: int) -> HttpResponseBase:
        """Ask, then forget the zone; what DNS holds stays.

        Raises:
            PermissionDenied: the person may not delete zones.
            Http404: there is no such zone.
        """
        if not self.has_forget_permission(request):
            raise PermissionDenied
        zone = Zone.objects.filter(pk=zone_id).first()
        if zone is None:
            raise Http404
        if request.method == "POST":
            return self._forget(request, zone)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Forget {zone.name}?",
            "opts": self.opts,
            "zone": zone,
            "rrsets": RRset.objects.filter(zone=zone, present=True).count(),
        }
        return TemplateResponse(request, "admin/dns_records/zone/forget.html", context)

    def _forget(self, request: HttpRequest, zone: Zone) -> HttpResponseBase:
        name, page = zone.name, reverse("admin:dns_records_zone_forget", args=[zone.pk])
        try:
            zones.forget(zone, force=request.POST.get("force") == "yes")
        except DnsorchError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(page)
        text = f"{name} is forgotten here; what DNS holds is as it was."
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:dns_records_zone_changelist"))
