"""Decisions about API tokens that write: issue, revoke, note the use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import dns.exception
import dns.name
import structlog
from django.db.models import Q

from dnsorch import clock
from dnsorch.exceptions import Invalid, Reason
from dnsorch.tokens import text as texts
from dnsorch.tokens.models import ApiToken, Source

log = structlog.get_logger(__name__)

USE_NOTED_EVERY = timedelta(minutes=1)
# People with a session act as "user:<name>"; no token may pass for one of them.
SESSION_OWNER = "user:"


@dataclass(frozen=True)
class Issued:
    """A new token and its text, which is to be seen here and never again."""

    token: ApiToken
    text: str

    def __repr__(self) -> str:
        """Leave the text out."""
        return f"Issued({self.token})"


def issue(
    *,
    owner: str,
    label: str = "",
    source: str = Source.REST,
    zones: Iterable[str] = (),
    read_only: bool = False,
    expires_at: datetime | None = None,
) -> Issued:
    """Make a token for ``owner``; no ``zones`` means all of them.

    Raises:
        Invalid: the owner is empty, too long or a session's, the label is too long,
            a zone is no domain name, the source is unknown, or the expiry is past.
    """
    now = clock.now()
    zones = list(zones)
    reasons = reasons_against(
        owner=owner, label=label, source=source, zones=zones, expires_at=expires_at
    )
    if reasons:
        raise Invalid("The token cannot be issued.", reasons=reasons)
    text = texts.generate()
    token = ApiToken.objects.create(
        owner=owner,
        label=label,
        digest=texts.digest(text),
        prefix=text[: texts.SHOWN],
        source=source,
        zones=sorted({canonical_zone(zone) for zone in zones}),
        read_only=read_only,
        created_at=now,
        expires_at=expires_at,
    )
    log.info("token issued", token_id=token.pk, owner=owner, source=source)
    return Issued(token, text)


def reasons_against(
    *,
    owner: str,
    label: str,
    source: str,
    zones: Iterable[str],
    expires_at: datetime | None,
) -> tuple[Reason, ...]:
    """Return why no such token can be issued; empty if it can."""
    reasons: list[Reason] = []
    if not 1 <= len(owner) <= 128 or owner != owner.strip() or not owner.isprintable():
        detail = "1 to 128 printable characters, no space around them"
        reasons.append(Reason("/owner", "invalid", detail))
    if owner.startswith(SESSION_OWNER):
        detail = f"{SESSION_OWNER!r} names people with a session"
        reasons.append(Reason("/owner", "reserved", detail))
    if len(label) > 128:
        reasons.append(Reason("/label", "max_length", "at most 128 characters"))
    if source not in Source.values:
        detail = f"one of {', '.join(Source.values)}"
        reasons.append(Reason("/source", "invalid_choice", detail))
    if expires_at is not None and expires_at <= clock.now():
        reasons.append(Reason("/expires_at", "past", "a time to come"))
    for index, zone in enumerate(zones):
        try:
            canonical_zone(zone)
        except Invalid as exc:
            reasons.append(Reason(f"/zones/{index}", "invalid_name", exc.detail))
    return tuple(reasons)


def revoke(*, token: ApiToken) -> bool:
    """Revoke ``token``; False if it was revoked before.

    It acts on the next request; nothing is cached.
    """
    now = clock.now()
    changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
        revoked_at=now
    )
    if changed:
        token.revoked_at = now
        log.info("token revoked", token_id=token.pk, owner=token.owner)
    return bool(changed)


def note_use(*, token: ApiToken, at: datetime) -> bool:
    """Keep that ``token`` was used at ``at``; at most one write a minute.

    False if the last minute has a use already.
    """
    before = at - USE_NOTED_EVERY
    if token.last_used_at is not None and token.last_used_at > before:
        return False
    stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
    return bool(ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=at))


def canonical_zone(zone: str) -> str:
    """Return the lower-case absolute A-label form of a zone's name.

    Raises:
        Invalid: it is no domain name, or the root.
    """
    try:
        name = dns.name.from_text(
            zone.strip(), origin=dns.name.root, idna_codec=dns.name.IDNA_2008_UTS_46
        )
    except (dns.exception.DNSException, UnicodeError) as exc:
        raise Invalid(f"{zone!r} is not the name of a zone") from exc
    if name == dns.name.root:
        raise Invalid(f"{zone!r} is not the name of a zone")
    return name.to_text().lower()
