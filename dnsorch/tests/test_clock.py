"""The process's clock and the database's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db.models.functions import Now

from dnsorch import clock


def test_now_is_aware_and_in_utc() -> None:
    before = datetime.now(UTC)
    now = clock.now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


def test_fixed_holds_the_time_and_gives_it_back() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with clock.fixed(noon):
        assert clock.now() == noon
        with clock.fixed(noon + timedelta(hours=1)):
            assert clock.now() == noon + timedelta(hours=1)
        assert clock.now() == noon
    assert clock.now() != noon


def test_fixed_gives_utc_whatever_the_zone() -> None:
    local = datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=2)))
    with clock.fixed(local):
        assert clock.now().isoformat() == "2026-11-22T12:00:00+00:00"


def test_fixed_refuses_a_naive_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        with clock.fixed(datetime(2026, 11, 22)):
            pass


def test_database_now_is_an_expression_of_the_database() -> None:
    assert isinstance(clock.database_now(), Now)
