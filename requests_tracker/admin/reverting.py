"""Reverting a request in the admin: its plan first, then a new request."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from dns_records.services import revert
from dns_records.services.parts import whole
from dns_records.services.revert import Revert
from dns_records.services.submissions import Asked
from dnsorch.exceptions import DnsorchError
from requests_tracker.admin import planning
from requests_tracker.models import Request


def is_offered(request: Request) -> bool:
    """Say whether a request was applied and has changes that could be put back."""
    if not revert.was_applied(request):
        return False
    return bool(request.parts_expected) or request.changes.exists()


def page(
    http: HttpRequest, request: Request, context: dict[str, Any]
) -> HttpResponseBase:
    """Show the plan of a revert, or send the one that was approved."""
    back = reverse("admin:requests_tracker_request_change", args=[request.pk])

    def build(digest: str | None) -> Asked:
        return whole(Revert(request.pk, digest))

    if http.method == "POST" and http.POST.get("digest"):
        operation = Revert(request.pk, http.POST["digest"]).operation
        sent = planning.send(http, revert.ACTION, build, operation)
        if sent is not None:
            return sent
    try:
        planned = planning.plan_of(http, revert.ACTION, build)
    except DnsorchError as error:
        messages.error(http, error.detail)
        return HttpResponseRedirect(back)
    shown = {**context, "send": "Revert", "back": back, "hidden": ()}
    return planning.page(http, planned, shown)
