"""Zones in the admin: registered, changed and forgotten through their service."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from dns_records.admin.forms import ZoneForm
from dns_records.admin.writing import ServiceAdmin
from dns_records.models import RRset, Zone
from dns_records.services import reconcile, zones
from dns_records.services.reconcile import Order
from dnsorch.exceptions import DnsorchError
from requests_tracker.admin import base, display


@admin.register(Zone)
class ZoneAdmin(ServiceAdmin[Zone]):
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
    actions = ("reconcile",)
    fieldsets = (
        (None, {"fields": ("name", "backend", "default_ttl")}),
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
        ("Safety", {"fields": ("fencing",)}),
    )

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
            reconcile.ask_for(zone, order)
            text = "will be compared, and what is not as it was left put back"
            self.message_user(request, f"{zone.name}: {text}", messages.SUCCESS)

    # --- forgetting ----------------------------------------------------------------

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to delete zones."""
        user = request.user
        return user.is_active and user.has_perm("dns_records.delete_zone")

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before a zone is forgotten."""
        forget = path(
            "<int:zone_id>/forget/",
            self.admin_site.admin_view(self.forget_view),
            name="dns_records_zone_forget",
        )
        return [forget, *super().get_urls()]

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
