"""Who calls: by a token of ours, or by the session of a person from the admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DatabaseError
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from dnsorch import clock
from dnsorch.api import errors
from dnsorch.exceptions import Forbidden
from dnsorch.tokens import selectors, services
from dnsorch.tokens.access import Access
from dnsorch.tokens.models import ApiToken

log = structlog.get_logger(__name__)


class ReadOnlyToken(Forbidden):
    """This token may read only."""

    code = "read_only_token"


@dataclass(frozen=True)
class Bearer:
    """Whom REST framework sees in ``request.user`` for a token: no account."""

    username: str
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    pk: None = None


class TokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer <token>`` (RFC 6750); sets ``request.auth``."""

    def authenticate(self, request: Request) -> tuple[Any, Access] | None:
        """Return who calls; None without a bearer token.

        Raises:
            AuthenticationFailed: the token is unknown, expired or revoked. The answer
                does not say which; the log does.
        """
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = clock.now()
        token = selectors.by_text(text.strip())
        if token is None or not token.is_live(now):
            reason = _refusal(token)
            log.info("token refused", reason=reason, token_id=token and token.pk)
            raise AuthenticationFailed("invalid token")
        try:
            services.note_use(token=token, at=now)
        except DatabaseError as exc:
            # A reader need not wait for a busy database's writers.
            log.warning("use of the token not noted", error=str(exc))
        structlog.contextvars.bind_contextvars(owner=token.owner)
        return Bearer(token.owner), selectors.access(token)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return errors.REALM


class StaffSessionAuthentication(authentication.SessionAuthentication):
    """The session of a person who may use the admin; CSRF is enforced.

    Acts as ``user:<name>`` on all zones.
    """

    def authenticate(self, request: Request) -> tuple[Any, Access] | None:
        """Return who calls; None without a session.

        Raises:
            Forbidden: the person is not staff.
            PermissionDenied: the CSRF token is missing or wrong.
        """
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        if not user.is_staff:
            raise Forbidden("Your account is not one of staff.")
        owner = services.SESSION_OWNER + user.get_username()
        structlog.contextvars.bind_contextvars(owner=owner)
        return user, Access(owner=owner)


class HasAccess(BasePermission):
    """Lets in whoever has been recognised; a read-only token only to read."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether the caller may come in at all; zones are the services' matter.

        Raises:
            ReadOnlyToken: the token may only read, and the method is one that writes.
        """
        if not isinstance(request.auth, Access):
            return False
        if request.auth.read_only and request.method not in SAFE_METHODS:
            raise ReadOnlyToken()
        return True


def access(request: Request) -> Access:
    """Return what the caller may do; for views that :class:`HasAccess` guards."""
    assert isinstance(request.auth, Access)
    return request.auth


def _refusal(token: ApiToken | None) -> str:
    if token is None:
        return "unknown"
    return "revoked" if token.revoked_at is not None else "expired"
