"""Lanes and batches in the admin: where a zone's changes wait, and what was sent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html

from dns_records.models import Batch, Change, Lane
from dns_records.services import lanes, wake
from requests_tracker.admin import base, display
from requests_tracker.admin.base import ReadOnlyAdmin


@admin.register(Lane)
class LaneAdmin(ReadOnlyAdmin[Lane]):
    """Which lanes are stuck, why, and who holds them."""

    list_display = (
        "zone",
        "status",
        "pending",
        "next_try",
        "last_error",
        "held",
        "last_batch",
    )
    list_filter = ("state",)
    search_fields = ("zone__name",)
    search_help_text = "Zone"
    ordering = ("zone__name",)
    fields = (
        "zone",
        "status",
        "last_error",
        "failures",
        "next_try",
        "pending",
        "dirty",
        "holder",
        "lease",
        "epoch",
        "batch_number",
        "marker",
        "to_compare",
        "compared",
    )
    readonly_fields = fields
    actions = ("try_now",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        """Return lanes with their zones and the number of changes that wait."""
        waiting = Change.objects.filter(
            zone=OuterRef("pk"), status__in=["pending", "sent"]
        )
        counted = waiting.order_by().values("zone").annotate(count=Count("pk"))
        number = Subquery(counted.values("count"), output_field=IntegerField())
        lanes_ = super().get_queryset(request).select_related("zone")
        return lanes_.annotate(waiting=Coalesce(number, 0))

    @admin.display(description="state")
    def status(self, lane: Lane) -> str:
        """Return the state in its colour."""
        return display.badge(lane.state)

    @admin.display(description="pending changes")
    def pending(self, lane: Any) -> int:
        """Return how many changes wait or are on their way."""
        return int(lane.waiting)

    @admin.display(description="held by")
    def held(self, lane: Lane) -> str:
        """Return who holds the lane, and until when; nobody most of the time."""
        if not lane.holder:
            return display.NOTHING
        return format_html("{}<br>{}", lane.holder, self.lease(lane))

    @admin.display(description="last UPDATE")
    def last_batch(self, lane: Lane) -> str:
        """Return the name of the last message, as in timelines and in the marker."""
        return f"{lane.epoch}.{lane.batch_number}"

    @admin.display(description="lease until")
    def lease(self, lane: Lane) -> str:
        """Return when the lease ends."""
        return display.moment(lane.lease_expires_at)

    @admin.display(description="next try")
    def next_try(self, lane: Lane) -> str:
        """Return until when the lane waits out a failure."""
        return display.moment(lane.not_before)

    @admin.display(description="marker on the server")
    def marker(self, lane: Lane) -> str:
        """Return what the update server's marker says, as far as is known."""
        if not lane.marker_epoch:
            return "not known"
        return f"{lane.marker_epoch}.{lane.marker_number}"

    @admin.display(description="to be compared")
    def to_compare(self, lane: Lane) -> str:
        """Return why the zone is to be compared with its server, if it is."""
        return lane.reconcile_order["reason"] if lane.reconcile_order else "no"

    @admin.display(description="last comparison")
    def compared(self, lane: Lane) -> str:
        """Return what the last comparison with the server found."""
        return display.block(lane.last_audit) if lane.last_audit else display.NOTHING

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to change lanes."""
        user = request.user
        return user.is_active and user.has_perm("dns_records.change_lane")

    @admin.action(description="Try again now", permissions=["operate"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[Lane]) -> None:
        """Let the lanes wait no longer, and wake them."""
        for lane in queryset:
            lanes.hurry(lane.pk)
            if wake.publish(wake.DELIVER, lane.pk):
                text, level = "woken", messages.SUCCESS
            else:
                text = "due now; the broker is not reachable, so the sweep takes it"
                level = messages.WARNING
            self.message_user(request, f"{lane.zone}: {text}", level)


class BatchZoneFilter(base.ZoneFilter):
    """By the zone of the lane."""

    lookup = "lane__zone__name"


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin[Batch]):
    """Every UPDATE message that was sent, newest first."""

    list_display = (
        "message",
        "zone",
        "state",
        "rcode",
        "requests",
        "rrsets",
        "octets",
        "attempts",
        "sent",
        "took",
    )
    list_filter = ("status", BatchZoneFilter)
    list_select_related = ("lane__zone",)
    ordering = ("-id",)
    fields = (*list_display, "error")
    readonly_fields = fields

    @admin.display(description="UPDATE")
    def message(self, batch: Batch) -> str:
        """Return the name that the message has in timelines and in the marker."""
        return f"{batch.epoch}.{batch.number}"

    @admin.display(description="zone")
    def zone(self, batch: Batch) -> str:
        """Return the zone of the lane."""
        return batch.lane.zone.name

    @admin.display(description="state")
    def state(self, batch: Batch) -> str:
        """Return the state in its colour, and why if it was not applied."""
        return display.badge(batch.status, title=batch.error)

    @admin.display(description="sent")
    def sent(self, batch: Batch) -> str:
        """Return when it was first sent."""
        return display.moment(batch.sent_at)

    @admin.display(description="decided after")
    def took(self, batch: Batch) -> str:
        """Return how long it was not known what the message did."""
        if batch.decided_at is None:
            return "undecided"
        return display.span(batch.decided_at - batch.sent_at)
