"""Pages about RRsets that are no lists: write them, and explain them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from dns_records.admin.rrset_forms import ChangesetForm, RRsetForm, WriteForm
from dns_records.models import RRset
from dns_records.services import explain
from dns_records.services.explain import Explanation
from dnsorch.exceptions import DnsorchError
from requests_tracker.admin import base, display, planning
from requests_tracker.admin.base import ReadOnlyAdmin
from requests_tracker.api.tracking import thread_to_wait

PAGES: dict[str, tuple[type[WriteForm], str]] = {
    "write": (RRsetForm, "Write an RRset"),
    "changeset": (ChangesetForm, "Write a change set"),
}


class RRsetPages(ReadOnlyAdmin[RRset]):
    """What can be done about RRsets, apart from looking at them."""

    change_form_template = "admin/dns_records/rrset/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the forms, and the explanation of one RRset."""
        own = [
            path(
                f"{name}/",
                self.admin_site.admin_view(self.write_view),
                {"page": name},
                name=f"dns_records_rrset_{name}",
            )
            for name in PAGES
        ]
        explained = path(
            "<int:rrset_id>/explain/",
            self.admin_site.admin_view(self.explain_view),
            name="dns_records_rrset_explain",
        )
        return [*own, explained, *super().get_urls()]

    def has_write_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to change RRsets."""
        user = request.user
        return user.is_active and user.has_perm("dns_records.change_rrset")

    def write_view(self, request: HttpRequest, page: str) -> HttpResponseBase:
        """Show a form, then the plan of what it asks for, then send it.

        Raises:
            PermissionDenied: the person may only look.
        """
        if not self.has_write_permission(request):
            raise PermissionDenied
        kind, title = PAGES[page]
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "back": reverse("admin:dns_records_rrset_changelist"),
        }
        if request.method != "POST":
            form = kind(initial=_initial(request))
        else:
            form = kind(request.POST)
            if form.is_valid() and (answer := self._planned(request, form, context)):
                return answer
        template = "admin/dns_records/rrset/write.html"
        return TemplateResponse(request, template, {**context, "form": form})

    def _planned(
        self, request: HttpRequest, form: WriteForm, context: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Send what was approved, else show the plan; None if the form is wrong."""
        if request.POST.get("digest"):
            operation = {form.action: form.cleaned_data}
            sent = planning.send(request, form.action, form.submission, operation)
            if sent is not None:
                return sent
        try:
            planned = planning.plan_of(request, form.action, form.submission)
        except DnsorchError as error:
            form.refuse(error)
            return None
        context = {**context, "send": "Send", "hidden": list(form)}
        return planning.page(request, planned, context)

    def explain_view(self, request: HttpRequest, rrset_id: int) -> HttpResponseBase:
        """Ask the name servers, and say why the RRset is or is not live.

        Raises:
            PermissionDenied: the person may not look at RRsets.
            Http404: there is no such RRset.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        rrset = RRset.objects.filter(pk=rrset_id).first()
        if rrset is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"{rrset.name} {rrset.type}",
            "opts": self.opts,
            "rrset": rrset,
        }
        try:
            with thread_to_wait():
                access = base.access(request)
                found = explain.explain(access, rrset.name, rrset.type)
        except DnsorchError as error:
            context["refused"] = error.detail
        else:
            context["badge"] = display.badge(
                "live" if found.verdict.live else "waiting"
            )
            context |= _shown(found)
        template = "admin/dns_records/rrset/explain.html"
        return TemplateResponse(request, template, context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: RRset | None = None,
    ) -> Any:
        """Tell the template whether this person may write."""
        context["may_write"] = self.has_write_permission(request)
        return super().render_change_form(request, context, add, change, form_url, obj)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """Return what a link fills a form in with: a zone, or an RRset as it is."""
    given = request.GET.get("rrset", "")
    rows = RRset.objects.select_related("zone").prefetch_related("records")
    rrset = rows.filter(pk=int(given)).first() if given.isdecimal() else None
    if rrset is None:
        return {"zone": request.GET.get("zone", "")}
    return {
        "zone": rrset.zone.name,
        "name": rrset.name,
        "type": rrset.type,
        "ttl": rrset.ttl,
        "records": "\n".join(sorted(each.rdata for each in rrset.records.all())),
    }


def _shown(found: Explanation) -> dict[str, Any]:
    """Return an explanation as its page shows it."""
    body = found.as_dict()
    servers = [
        {
            "address": each["address"],
            "answer": each["error"] or display.image(each["answer"]),
            "serial": each["serial"],
            "badge": display.badge("ok" if each["as_wanted"] else "problem"),
        }
        for each in body["nameservers"]
    ]
    return {"explained": body, "wanted": display.image(body["wanted"])} | {
        "servers": servers
    }
