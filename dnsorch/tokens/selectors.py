"""Reads of API tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q, QuerySet

from dnsorch import prepared
from dnsorch.tokens import text as texts
from dnsorch.tokens.access import Access
from dnsorch.tokens.models import ApiToken


def by_text(text: str) -> ApiToken | None:
    """Return the token whose text is ``text``, live or not; None for an unknown one.

    A text that cannot be a token costs no query.
    """
    if not texts.is_well_formed(text):
        return None
    found = _by_digest(texts.digest(text))
    return found[0] if found else None


@prepared.rows
def _by_digest(digest: str) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(digest=digest)


def live_by_prefix(prefix: str) -> list[ApiToken]:
    """Return the tokens, not yet revoked, whose text begins with ``prefix``."""
    shown = prefix[: texts.SHOWN]
    return list(ApiToken.objects.filter(prefix__startswith=shown, revoked_at=None))


def access(token: ApiToken) -> Access:
    """Return what the bearer of ``token`` may do."""
    return Access(
        owner=token.owner,
        source=token.source,
        zones=frozenset(token.zones) if token.zones else None,
        read_only=token.read_only,
        token_id=token.pk,
    )


def writers(zone: str, at: datetime) -> Iterator[tuple[str, bool]]:
    """Yield whose live tokens may change ``zone``, and whether they may change all.

    An owner of several such tokens comes several times.
    """
    tokens = ApiToken.objects.filter(revoked_at=None, read_only=False)
    live = tokens.filter(Q(expires_at=None) | Q(expires_at__gt=at))
    for owner, zones in live.order_by("pk").values_list("owner", "zones"):
        if not zones or zone in zones:
            yield owner, not zones
