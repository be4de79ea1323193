"""Dead letters in the admin: read from Kafka, chosen, and put back by a task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from dnsorch.exceptions import DnsorchError
from dnsorch.operator_tasks.admin import tell_started
from kafka_bridge import letters, replay
from kafka_bridge.exceptions import DeadLettersUnreadable
from kafka_bridge.letters import Page, Place
from kafka_bridge.message import Message
from kafka_bridge.models import DeadLetter
from requests_tracker.admin import display
from requests_tracker.admin.base import ReadOnlyAdmin

PER_PAGE = 25
# A person waits for it, and one of the API's threads.
READ_TIMEOUT_S = 5.0
SHOWN_OF_A_VALUE = 4000


@dataclass(frozen=True)
class Row:
    """A letter as a row of the table."""

    place: Place
    key: str
    code: str
    detail: str
    request_id: str
    source: str
    written: str
    value: str
    obstacle: str | None


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin[DeadLetter]):
    """One page: the letters, the newest first, and the button that puts them back."""

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to put letters back."""
        user = request.user
        return user.is_active and user.has_perm("kafka_bridge.replay_deadletter")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """List letters; by POST, have those chosen put back.

        Raises:
            PermissionDenied: the person may not look, or only look.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._replay(request)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Dead letters",
            "opts": self.opts,
            "media": self.media,
            "may_replay": self.has_replay_permission(request),
            "before": request.GET.get("before", ""),
        }
        status = 200
        try:
            page = letters.newest(
                count=PER_PAGE,
                before=_offsets(context["before"]),
                timeout_s=READ_TIMEOUT_S,
            )
        except DeadLettersUnreadable as error:
            context["unreadable"] = error.detail
            status = error.status
        else:
            context["rows"] = [_row(letter) for letter in page.letters]
            context["older"] = _older(page)
        template = "admin/kafka_bridge/deadletter/change_list.html"
        return TemplateResponse(request, template, context, status=status)

    def _replay(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_replay_permission(request):
            raise PermissionDenied
        here = HttpResponseRedirect(reverse("admin:kafka_bridge_deadletter_changelist"))
        try:
            places = {Place.parse(each) for each in request.POST.getlist("place")}
        except ValueError as error:
            self.message_user(request, str(error), messages.ERROR)
            return here
        if not places:
            text = "Nothing was done: choose at least one letter."
            self.message_user(request, text, messages.WARNING)
            return here
        try:
            task = replay.start(places=places, started_by=request.user.get_username())
        except DnsorchError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return here
        return tell_started(request, task)


def _row(letter: Message) -> Row:
    source = ("topic", "partition", "offset")
    value = letter.value or b""
    more = f"\n… {len(value)} octets in all" if len(value) > SHOWN_OF_A_VALUE else ""
    written = datetime.fromtimestamp(letter.timestamp / 1000, UTC)
    return Row(
        place=Place.of(letter),
        key=(letter.key or b"").decode("utf-8", "replace"),
        code=letters.text(letter, "code"),
        detail=letters.text(letter, "detail"),
        request_id=letters.text(letter, "request-id"),
        source=" / ".join(letters.text(letter, name) for name in source),
        written=display.moment(written),
        value=value[:SHOWN_OF_A_VALUE].decode("utf-8", "replace") + more,
        obstacle=replay.obstacle(letter),
    )


def _offsets(text: str) -> dict[int, int]:
    """Read where a page begins; what is no such thing begins with the newest."""
    try:
        return dict(Place.parse(each) for each in text.split(",") if each)
    except ValueError:
        return {}


def _older(page: Page) -> str:
    """Return the query value of the page after ``page``; empty if there is none."""
    return ",".join(
        f"{number}:{offset}" for number, offset in (page.older or {}).items()
    )
