"""Backends as operators see them."""

from __future__ import annotations

from django.db.models import F

from dns_records.models import Backend


def states(limit: int) -> dict[str, str]:
    """Return the state of each backend by name, those left alone first.

    ``left_alone`` is one that was silent: its zones wait. ``ok`` says only that it is
    not one of those.
    """
    rows = Backend.objects.order_by(F("not_before").desc(nulls_last=True), "name")
    named = rows.values_list("name", "not_before")[:limit]
    return {name: "left_alone" if until else "ok" for name, until in named}
