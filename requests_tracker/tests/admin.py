"""What the tests of the admin pages have in common."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client

from dns_records.models import Change
from requests_tracker.models import Request
from requests_tracker.status import Status
from requests_tracker.tests.factories import NOON

URL = "/admin/requests_tracker/request/"
FINAL: dict[str, Any] = {"completed_at": NOON + timedelta(seconds=2)}


def page(request: Request) -> str:
    """Return the address of a request's page."""
    return f"{URL}{request.pk}/change/"


def staff(client: Client, *codenames: str) -> None:
    """Log somebody in who has just these permissions."""
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)


def fail(request: Request) -> None:
    """Let a request have failed, its changes with it."""
    Request.objects.filter(pk=request.pk).update(
        status=Status.FAILED,
        completed_at=NOON,
        error={"code": "refused_by_server", "detail": "the server refused"},
        error_code="refused_by_server",
    )
    Change.objects.filter(request=request).update(status="failed")


def said(answer: Any) -> list[tuple[str, str]]:
    """Return the messages of an answer, as level and text without markup."""
    return [
        (each.level_tag, html.unescape(re.sub("<[^>]+>", "", str(each.message))))
        for each in get_messages(answer.wsgi_request)
    ]
