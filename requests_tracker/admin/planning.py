"""Plans in the admin: shown before they are sent, and sent as they were shown.

A page posts its form twice: without a digest it gets the plan, with the digest of the
plan that a person has seen it gets the request. A plan that is another one by then is
shown anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from dns_records.services import changes
from dns_records.services.submissions import Asked
from dnsorch.exceptions import DnsorchError
from requests_tracker.admin import base, display, operating
from requests_tracker.services.acceptance import INSIDE

Build = Callable[[str | None], Asked]
"""Makes what is planned and submitted, given the digest that was approved."""


def plan_of(request: HttpRequest, action: str, build: Build) -> dict[str, Any]:
    """Return the plan of what ``build`` makes, as JSON.

    Raises:
        DnsorchError: what the real write would be rejected with.
    """
    return changes.dry_run(
        lambda: build(None),
        access=base.access(request),
        origin=operating.origin(request, action),
    )


def page(
    request: HttpRequest, planned: Mapping[str, Any], context: dict[str, Any]
) -> HttpResponseBase:
    """Return the page that shows a plan and asks whether to send it.

    ``context`` has what the admin's pages want, ``send`` for the button, ``back`` as
    the way out, and ``hidden``, fields to be posted again.
    """
    plans = planned.get("plans", [planned])
    shown = {
        "rows": [_row(each) for own in plans for each in own["changes"]],
        "warnings": [each for own in plans for each in own["warnings"]],
        "unsafe": [each for own in plans for each in own["unsafe"]],
        "digest": planned["digest"],
        "zone_name": ", ".join(own["zone"] for own in plans),
    }
    template = "admin/requests_tracker/plan.html"
    return TemplateResponse(request, template, {**context, **shown})


def send(
    request: HttpRequest, action: str, build: Build, operation: object
) -> HttpResponseBase | None:
    """Submit what was approved and go to its request; None if the plan has changed.

    A rejection, too, is a request with a page of its own.
    """
    digest = request.POST["digest"]
    access, origin = base.access(request), operating.origin(request, action)
    try:
        changes.dry_run(lambda: build(digest), access=access, origin=origin)
    except DnsorchError as error:
        if error.code == "plan_changed":
            messages.warning(request, f"Nothing was sent: {error.detail}")
            return None
    answer = changes.submit(
        lambda: build(digest),
        access=access,
        origin=origin,
        operation=operation,
        doorway=INSIDE,
    )
    where = reverse("admin:requests_tracker_request_change", args=[answer.request_id])
    if answer.status >= 400:
        messages.error(request, f"rejected: {answer.body['detail']}")
    else:
        link = format_html('<a href="{}">{}</a>', where, answer.request_id)
        messages.success(request, format_html("sent as {}", link))
    return HttpResponseRedirect(where)


def _row(change: Mapping[str, Any]) -> dict[str, Any]:
    before, after = change["before"], change["after"]
    return {
        "name": change["name"],
        "type": change["type"],
        "action": change["action"],
        "before": display.lines(before, after),
        "after": display.lines(after, before),
    }
