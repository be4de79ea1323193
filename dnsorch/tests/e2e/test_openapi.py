"""The OpenAPI documents against the running API: schemathesis tries to break them.

No operation is left out. It gets a stack of its own, since it deletes what it finds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from openapi_spec_validator import validate

from dnsorch.tests.e2e.harness import Stack

VERSIONS = sorted(
    {
        folder.name
        for folder in settings.BASE_DIR.glob("*/api/v[1-9]*")
        if (folder / "__init__.py").exists()
    }
)
# Undocumented statuses and server errors are what this is about; whether the answer
# has the documented form comes with it.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
SECONDS = 20
METHODS = {"get", "put", "post", "patch", "delete", "options", "head", "trace"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a stack that may be wrecked."""
    stack = Stack(tmp_path_factory.mktemp("openapi"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each operation of an OpenAPI document by ``METHOD path``."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def schema(stack: Stack, version: str) -> Any:
    """Return the OpenAPI document that the API serves."""
    return stack.get(f"/api/{version}/schema/", format="json")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_document_is_valid_and_says_what_may_be_answered(
    own: Stack, version: str
) -> None:
    document = schema(own, version)
    assert document["openapi"].startswith("3.1")
    validate(document)
    for name, operation in operations(document).items():
        statuses = set(operation["responses"])
        assert "default" not in statuses, name
        assert {"401", "503"} <= statuses, name


@pytest.mark.parametrize("version", VERSIONS)
def test_no_answer_is_a_server_error_or_undocumented(
    own: Stack, version: str, tmp_path: Path
) -> None:
    found = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
            *("run", f"{own.about['api']}/api/{version}/schema/?format=json"),
            *("--header", f"Authorization: Bearer {own.about['token']}"),
            *("--checks", ",".join(CHECKS)),
            *("--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-time", str(SECONDS)),
            # What lands is judged by the same cases every time; another seed, others.
            *("--seed", os.environ.get("DNSORCH_TEST_SEED") or "1"),
            *("--request-timeout", "40"),
            *("--max-failures", "20"),
            "--continue-on-failure",
            "--no-shrink",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert found.returncode == 0, found.stdout
    count = len(operations(schema(own, version)))
    assert f"Selected: {count}/{count}" in found.stdout, found.stdout
