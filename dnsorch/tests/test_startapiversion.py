"""``manage.py startapiversion``, run in a copy of the tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnsorch.tests.test_api_versions import ASK, paths, run, tree

pytestmark = pytest.mark.embedded

__all__ = ["tree"]
COMMAND = ("manage.py", "startapiversion")
MADE = [
    f"{app}/api/v3/{name}"
    for app in ("dns_records", "requests_tracker")
    for name in ("__init__.py", "urls.py")
]


def files(tree: Path) -> list[str]:
    """Return the files of v3."""
    found = tree.glob("*/api/v3/*.py")
    return sorted(path.relative_to(tree).as_posix() for path in found)


def test_a_new_version_is_served_and_documented_as_the_one_before(tree: Path) -> None:
    made = run(tree, *COMMAND, "v3")
    assert made.returncode == 0, made.stderr
    assert sorted(made.stdout.split()) == [str(tree / name) for name in MADE]
    assert files(tree) == MADE
    asked = ["/api/v2/schema/", "/api/v3/schema/", "/api/v3/zones/"]
    done = run(tree, "-c", ASK, *asked)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    v2, v3 = answers["/api/v2/schema/"][1], answers["/api/v3/schema/"][1]
    assert paths(v3) == paths(v2)
    assert all(path.startswith("/api/v3/") for path in v3["paths"])
    status, problem = answers["/api/v3/zones/"]
    assert (status, problem["code"]) == (401, "not_authenticated")


def test_what_it_makes_is_formatted(tree: Path) -> None:
    assert run(tree, *COMMAND, "v3").returncode == 0
    style = run(tree, "-m", "black", "--check", "--quiet", *files(tree))
    order = run(tree, "-m", "isort", "--profile", "black", "--check", *files(tree))
    assert (style.returncode, order.returncode) == (0, 0), order.stderr


def test_a_dry_run_writes_nothing(tree: Path) -> None:
    made = run(tree, *COMMAND, "v3", "--app", "dns_records", "--dry-run")
    assert made.stdout.split() == [str(tree / name) for name in MADE[:2]]
    assert files(tree) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["3"], "3: expected v and a number, such as v3"),
        (["v4"], "v4: the newest is v2, the next v3"),
        (["v1"], "v1: the newest is v2, the next v3"),
        (["v2"], "api/v2 exists already"),
        (["v3", "--app", "zones"], "zones: no app with an API has that label"),
        (["v3", "--app", "kafka_bridge"], "kafka_bridge: no app with an API"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(
    tree: Path, arguments: list[str], error: str
) -> None:
    made = run(tree, *COMMAND, *arguments)
    assert made.returncode == 1
    (line,) = made.stderr.splitlines()
    assert error in line
    assert files(tree) == []
