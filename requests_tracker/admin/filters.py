"""By what the list of requests is narrowed: state, zone, age."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThan
from django.http import HttpRequest
from django.utils import timezone

from dns_records import names
from dnsorch import clock
from dnsorch.exceptions import Invalid
from requests_tracker.admin import base
from requests_tracker.models import Request
from requests_tracker.selectors import requests
from requests_tracker.status import OPEN, Status

STUCK_AFTER = timedelta(minutes=5)
# Fewer digits are the beginning of every id of the same years.
SHORTEST_BEGINNING = 6
HEX_DIGITS = 32


class StateFilter(admin.SimpleListFilter):
    """By state, or by whether the request is still on its way."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states, and those that are not final as one."""
        states = [(state.value, state.value.replace("_", " ")) for state in Status]
        return [("open", "on its way"), *states]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Request]
    ) -> QuerySet[Request]:
        """Return the requests of the state chosen."""
        if not (state := self.value()):
            return queryset
        return queryset.filter(status__in=OPEN if state == "open" else [state])


class ZoneFilter(base.ZoneFilter):
    """By zone; of a request it is the name, since rejections may be of none."""

    lookup = "zone"


class AgeFilter(admin.SimpleListFilter):
    """By when the request was received, or by how long it has been on its way."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the ages that people ask for."""
        return [
            ("hour", "received in the last hour"),
            ("today", "received today"),
            ("week", "received in the last 7 days"),
            ("stuck", "on its way for more than 5 minutes"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Request]
    ) -> QuerySet[Request]:
        """Return the requests of the age chosen."""
        now = clock.now()
        match self.value():
            case "hour":
                return received_since(queryset, now - timedelta(hours=1))
            case "today":
                midnight = timezone.localtime(now).replace(
                    hour=0, minute=0, second=0, microsecond=0
                )
                return received_since(queryset, midnight)
            case "week":
                return received_since(queryset, now - timedelta(days=7))
            case "stuck":
                since = Coalesce("not_before", "received_at")
                return queryset.filter(status__in=OPEN).filter(
                    LessThan(since, now - STUCK_AFTER)
                )
        return queryset


def received_since(queryset: QuerySet[Request], at: datetime) -> QuerySet[Request]:
    """Return the requests received at or after ``at``, by way of their ids.

    An id is made after its request was received and begins with the milliseconds of
    that moment (RFC 9562 section 5.7): the primary key leaves out what is older.
    """
    milliseconds = int(at.timestamp() * 1000)
    first = UUID(int=milliseconds << 80)
    return queryset.filter(pk__gte=first, received_at__gte=at)


def search(queryset: QuerySet[Request], text: str) -> QuerySet[Request]:
    """Return the requests that ``text`` means: each look-up is one of an index.

    ``text`` is the beginning of an id, an owner name, a correlation id, an
    idempotency key or a requester. Only if it is none of these it is looked for
    where names begin, which takes longer.
    """
    exact = [Q(correlation_id=text), Q(idempotency_key=text), Q(requester=text)]
    if span := id_span(text):
        exact.append(Q(pk__range=span))
    # A union: databases answer these conditions joined by OR with a scan.
    first, *others = (Request.objects.filter(each).values("pk") for each in exact)
    try:
        name = names.absolute_name(text)
    except Invalid:
        pass
    else:
        others.append(requests.about(name))
    found = queryset.filter(pk__in=first.union(*others))
    return found if found.exists() else queryset.filter(name__startswith=text.lower())


def id_span(text: str) -> tuple[UUID, UUID] | None:
    """Return the first and the last id that begin with ``text``, if any do."""
    digits = text.replace("-", "").lower()
    if not SHORTEST_BEGINNING <= len(digits) <= HEX_DIGITS:
        return None
    if set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits.ljust(HEX_DIGITS, "0")), UUID(digits.ljust(HEX_DIGITS, "f"))
