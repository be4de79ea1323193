"""The OpenAPI documents: complete, valid, and silent about what is not there yet."""

from __future__ import annotations

import json
from functools import cache
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

# The lists, and what there is about each.
V1 = {
    "/api/v1/dns-records/": {"get", "post"},
    "/api/v1/dns-records/{id}/": {"get", "put", "patch", "delete"},
    "/api/v1/requests/": {"get"},
    "/api/v1/requests/{id}/": {"get"},
}
V2 = {
    "/api/v2/zones/": {"get", "post"},
    "/api/v2/zones/{zone}/": {"get", "patch", "delete"},
    "/api/v2/zones/{zone}/audit/": {"post"},
    "/api/v2/zones/{zone}/drift/": {"get"},
    "/api/v2/zones/{zone}/drift/resolve/": {"post"},
    "/api/v2/zones/{zone}/import/": {"post"},
    "/api/v2/zones/{zone}/export/": {"get"},
    "/api/v2/zones/{zone}/check/": {"post"},
    "/api/v2/zones/{zone}/rrsets/": {"get"},
    "/api/v2/zones/{zone}/rrsets/{name}/{rtype}/": {"get", "put", "delete"},
    "/api/v2/zones/{zone}/rrsets/{name}/{rtype}/history/": {"get"},
    "/api/v2/changesets/": {"post"},
    "/api/v2/changesets/batch/": {"post"},
    "/api/v2/explain/": {"get"},
    "/api/v2/requests/": {"get"},
    "/api/v2/requests/{id}/": {"get"},
    "/api/v2/requests/{id}/events/": {"get"},
    "/api/v2/requests/{id}/cancel/": {"post"},
    "/api/v2/requests/{id}/retry/": {"post"},
    "/api/v2/requests/{id}/revert/": {"post"},
}


@cache
def document(version: str) -> dict[str, Any]:
    """Return the OpenAPI document of a version; any warning is an error."""
    out = StringIO()
    call_command(
        "spectacular",
        api_version=version,
        format="openapi-json",
        validate=True,
        fail_on_warn=True,
        stdout=out,
    )
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.mark.parametrize(("version", "expected"), [("v1", V1), ("v2", V2)])
def test_what_there_is(version: str, expected: dict[str, set[str]]) -> None:
    found = document(version)
    paths = {path: set(item) for path, item in found["paths"].items()}
    assert paths == expected


def test_bodies_are_closed_and_conditions_documented() -> None:
    found = document("v2")
    schemas = found["components"]["schemas"]
    asked = [name for name in schemas if name.endswith("Request")]
    assert "ChangesetBodyRequest" in asked
    assert all(schemas[name]["additionalProperties"] is False for name in asked)
    put = found["paths"]["/api/v2/zones/{zone}/rrsets/{name}/{rtype}/"]["put"]
    headers = {each["name"] for each in put["parameters"] if each["in"] == "header"}
    assert headers == {"Idempotency-Key", "Prefer", "If-Match", "If-None-Match"}
    statuses = {"200", "202", "400", "401", "403", "404", "406", "409", "412", "413"}
    assert set(put["responses"]) == statuses | {"415", "422", "429", "500", "503"}


@pytest.mark.parametrize(
    ("version", "path", "method", "answer"),
    [
        ("v1", "/api/v1/dns-records/", "post", "AcceptedRecord"),
        ("v1", "/api/v1/dns-records/{id}/", "delete", "AcceptedRecord"),
        ("v2", "/api/v2/changesets/", "post", "RequestV2"),
        ("v2", "/api/v2/zones/{zone}/rrsets/{name}/{rtype}/", "put", "RequestV2"),
    ],
)
def test_200_is_the_final_answer_or_a_plan(
    version: str, path: str, method: str, answer: str
) -> None:
    found = document(version)
    said = found["paths"][path][method]["responses"]["200"]["content"]
    name = said["application/json"]["schema"]["$ref"].rpartition("/")[2]
    one_of = found["components"]["schemas"][name]["oneOf"]
    assert [each["$ref"].rpartition("/")[2] for each in one_of] == [
        answer,
        "PlanSchema",
        "PlansSchema",
    ]
