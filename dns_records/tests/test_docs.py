"""docs/dns.md is what the code says."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from dns_records import validation
from dns_records.record_types import RECORD_TYPES, REFUSED_TYPES

pytestmark = pytest.mark.embedded

PAGE: Path = settings.BASE_DIR / "docs" / "dns.md"


def printed() -> str:
    """Return what the command prints."""
    out = StringIO()
    call_command("dns_docs", stdout=out)
    return out.getvalue()


def test_the_page_is_what_the_command_prints() -> None:
    assert (
        PAGE.read_text(encoding="utf-8") == printed()
    ), "manage.py dns_docs > docs/dns.md"


def test_it_names_every_type_and_every_rule() -> None:
    page = printed()
    for name in [*RECORD_TYPES, *REFUSED_TYPES]:
        assert f"\n| {name} | " in page
    for rule in validation.validators():
        assert f"\n| `{rule.id}` | " in page
        assert rule.levels, f"{rule.id} says neither error nor warning"
