"""Zones exported in pages where the database has no cursors for us."""

from __future__ import annotations

import pytest
from django.db import connection

from dns_records.models import Zone
from dns_records.services import exports
from dns_records.tests.world import draft, post

pytestmark = [pytest.mark.django_db, pytest.mark.leaves_stuck]


def text(zone: Zone) -> str:
    """Return the file without the comments, which have the time."""
    lines = exports.lines(zone)
    return "".join(line for line in lines if not line.startswith(";"))


def test_what_is_read_in_pages_is_the_same(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        name = f"n{number}"
        post(
            draft("add", name, "A", "192.0.2.2", "192.0.2.1"),
            draft("add", name, "TXT", '"one"'),
            draft("add", name, "MX", "10 a.test.", "20 b.test."),
        )
    at_once = text(zone)
    assert at_once.count(" IN ") == 5 * 5 + 2  # SOA and NS

    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    for size in (1, 2, 4, 100):
        monkeypatch.setattr(exports, "AT_ONCE", size)
        assert text(zone) == at_once
