"""What OpenAPI says of every operation: how to authenticate, and which problems."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiResponse

from dnsorch.api.errors import MEDIA_TYPE

# Any operation may answer these; one that reads a body also those of WRITES. An
# operation declares its others with problems().
ANY = (400, 401, 403, 404, 406, 429, 500, 503)
WRITES = (409, 413, 415)

_TEXT = {"type": "string"}
_REASON: dict[str, Any] = {
    "type": "object",
    "description": "One thing that is wrong with a body.",
    "required": ["pointer", "code", "detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "JSON pointer (RFC 6901) into the body; empty: all of it.",
        },
        "code": _TEXT,
        "detail": _TEXT,
    },
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457). Further members go with the code.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "What a program decides by."},
        "errors": {"type": "array", "items": _REASON},
        "request_id": {
            "type": "string",
            "format": "uuid",
            "description": "The tracked request, where there is one.",
        },
    },
    "additionalProperties": True,
}


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return ``responses`` for ``extend_schema``: problems with these statuses."""
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            {"$ref": "#/components/schemas/Problem"}, HTTPStatus(status).phrase
        )
        for status in statuses
    }


class ProblemAutoSchema(AutoSchema):
    """Declares what is ours: the problems of every operation, and closed bodies."""

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        basic: Any = super()._map_basic_serializer
        schema: dict[str, Any] = basic(serializer, direction)
        if direction == "request":
            schema["additionalProperties"] = False
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            "Problem", ResolvedComponent.SCHEMA, _PROBLEM, _PROBLEM
        )
        self.registry.register_on_missing(component)
        statuses = ANY + WRITES if self.method in ("POST", "PUT", "PATCH") else ANY
        for (status, media_type), answer in problems(*statuses).items():
            if str(status) not in bodies:
                body = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    answer, str(status), [media_type]
                )
                bodies[str(status)] = body
        return dict(sorted(bodies.items()))


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Names the bearer token as a security scheme."""

    target_class = "dnsorch.api.authentication.TokenAuthentication"
    name = "bearerToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return OpenAPI's security scheme object."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `manage.py create_token`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Names the session of a person who comes from the admin."""

    target_class = "dnsorch.api.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return OpenAPI's security scheme object."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A session of the admin; writes also send `X-CSRFToken`.",
        }
