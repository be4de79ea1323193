"""Requests in the admin: a list to find one, a page to read it, cancel and retry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from dnsorch import clock
from requests_tracker.admin import detail, display, filters, operating, reverting
from requests_tracker.admin.base import ReadOnlyAdmin
from requests_tracker.models import Request

# Of an id, 48 bits: the milliseconds of its time (RFC 9562 section 5.7).
SHORT_ID = 13
# More than a page of them is no work for one click.
MOST_AT_ONCE = 100


@admin.register(Request)
class RequestAdmin(ReadOnlyAdmin[Request]):
    """A list with filters and a search by index, and a page to read at a glance."""

    change_form_template = "admin/requests_tracker/request/change_form.html"
    list_display = (
        "short_id",
        "state",
        "what",
        "zone",
        "asked_by",
        "received",
        "took",
    )
    list_filter = (
        filters.StateFilter,
        filters.AgeFilter,
        filters.ZoneFilter,
        "source",
    )
    search_fields = ("pk",)  # only asks for a search box: get_search_results finds
    search_help_text = (
        "Id or its beginning, owner name, correlation id, idempotency key, requester"
    )
    ordering = ("-id",)
    actions = ("cancel", "retry", "revert")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Request], search_term: str
    ) -> tuple[QuerySet[Request], bool]:
        """Return what the term means, without duplicates."""
        if term := search_term.strip():
            queryset = filters.search(queryset, term)
        return queryset, False

    @admin.display(description="request")
    def short_id(self, request: Request) -> str:
        """Return the beginning of the id."""
        return format_html(
            '<code title="{}">{}</code>', request.pk, str(request.pk)[:SHORT_ID]
        )

    @admin.display(description="state")
    def state(self, request: Request) -> str:
        """Return the state in its colour, and the reason of a failure."""
        badge = display.badge(request.status)
        if not request.error:
            return badge
        return format_html(
            '{}<br><small title="{}">{}</small>',
            badge,
            request.error.get("detail", ""),
            request.error_code,
        )

    @admin.display(description="asks for")
    def what(self, request: Request) -> str:
        """Return the action, and the RRset if it is about one."""
        return detail.subject(request)

    @admin.display(description="requester")
    def asked_by(self, request: Request) -> str:
        """Return who asked, and through which door."""
        return format_html(
            '{}<br><small class="quiet">{}</small>', request.requester, request.source
        )

    @admin.display(description="received")
    def received(self, request: Request) -> str:
        """Return when it was received."""
        return display.moment(request.received_at)

    @admin.display(description="took")
    def took(self, request: Request) -> str:
        """Return how long it took, or takes."""
        if request.completed_at:
            return display.span(request.completed_at - request.received_at)
        return f"{display.span(clock.now() - request.received_at)} …"

    # --- operations ----------------------------------------------------------------

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to change requests."""
        user = request.user
        return user.is_active and user.has_perm("requests_tracker.change_request")

    @admin.action(description="Cancel selected requests", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Request]) -> None:
        """Cancel what is not on its way yet; say of each what happened."""
        self._operate(request, queryset, operating.cancel)

    @admin.action(description="Retry selected requests", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Request]) -> None:
        """Ask for what failed again, send what is queued now; say so of each."""
        self._operate(request, queryset, operating.retry)

    @admin.action(description="Revert the selected request", permissions=["operate"])
    def revert(
        self, request: HttpRequest, queryset: QuerySet[Request]
    ) -> HttpResponseBase | None:
        """Show the plan of the way back: one request at a time."""
        selected = list(queryset[:2])
        if len(selected) != 1:
            text = "Select one request: each plan is looked at by itself."
            self.message_user(request, text, messages.ERROR)
            return None
        where = reverse("admin:requests_tracker_request_revert", args=[selected[0].pk])
        return HttpResponseRedirect(where)

    def _operate(
        self,
        http: HttpRequest,
        queryset: QuerySet[Request],
        operation: operating.Operation,
    ) -> None:
        # Oldest first: in the order in which they were accepted.
        selected = list(queryset.order_by("id")[: MOST_AT_ONCE + 1])
        if len(selected) > MOST_AT_ONCE:
            text = f"Nothing was done: select at most {MOST_AT_ONCE} requests at once."
            self.message_user(http, text, messages.ERROR)
            return
        for request in selected:
            self._tell(http, request, operation(http, request))

    def _tell(
        self, http: HttpRequest, request: Request, verdict: operating.Verdict
    ) -> None:
        made = ""
        if verdict.made:
            made = format_html(
                ' as <a href="{}">{}</a>', _page(verdict.made), verdict.made
            )
        message = format_html(
            '<a href="{}">{}</a> ({}): {}{}',
            _page(request.pk),
            str(request.pk)[:SHORT_ID],
            detail.subject(request),
            verdict.text,
            made,
        )
        level = messages.SUCCESS if verdict.done else messages.ERROR
        self.message_user(http, message, level)

    # --- the page of one request ---------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the operations on one request."""
        own = [
            path(
                f"<uuid:request_id>/{name}/",
                self.admin_site.admin_view(self.operate_view),
                {"name": name},
                name=f"requests_tracker_request_{name}",
            )
            for name in operating.OPERATIONS
        ]
        revert = path(
            "<uuid:request_id>/revert/",
            self.admin_site.admin_view(self.revert_view),
            name="requests_tracker_request_revert",
        )
        return [*own, revert, *super().get_urls()]

    def revert_view(self, request: HttpRequest, request_id: UUID) -> HttpResponseBase:
        """Show what a revert would do, then do it.

        Raises:
            PermissionDenied: the person may only look.
            Http404: there is no such request.
        """
        if not self.has_operate_permission(request):
            raise PermissionDenied
        found = Request.objects.filter(pk=request_id).first()
        if found is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"Revert {detail.subject(found)}?",
            "opts": self.opts,
        }
        return reverting.page(request, found, context)

    def operate_view(
        self, request: HttpRequest, request_id: Any, name: str
    ) -> HttpResponseBase:
        """Do what a button of the page says: by POST only.

        Raises:
            PermissionDenied: the person may only look.
            Http404: there is no such request.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_operate_permission(request):
            raise PermissionDenied
        found = Request.objects.filter(pk=request_id).first()
        if found is None:
            raise Http404
        verdict = operating.OPERATIONS[name](request, found)
        self._tell(request, found, verdict)
        return HttpResponseRedirect(_page(verdict.made or found.pk))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Request | None = None,
    ) -> Any:
        """Give the template what it shows instead of a form."""
        assert obj is not None  # requests are not added here
        context |= detail.context(obj)
        context |= {"title": "Request", "subtitle": None}
        if self.has_operate_permission(request):
            context["offered"] = operating.offered(obj)
            context["may_revert"] = reverting.is_offered(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)


def _page(request_id: Any) -> str:
    return reverse("admin:requests_tracker_request_change", args=[request_id])
