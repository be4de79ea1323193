"""Failpoints: what fires, how often, and that none does outside the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from dnsorch import failpoints

HIT = """
from dnsorch import failpoints
for number in range(1, 4):
    print(number, flush=True)
    failpoints.hit("after_send")
"""


START = "import django; django.setup()"


def child(points: str, code: str = HIT, **variables: str) -> tuple[int, str, str]:
    """Run code with failpoints; return exit code, standard output and error."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {"DNSORCH_FAILPOINTS": points, "DJANGO_SETTINGS_MODULE": "dnsorch.settings"}
        | variables,
        capture_output=True,
        text=True,
    )
    return done.returncode, "".join(done.stdout.split()), done.stderr


def test_nothing_happens_by_default(settings: Settings) -> None:
    assert settings.DNSORCH_FAILPOINTS == ""
    for place in failpoints.PLACES:
        failpoints.hit(place)
    assert all(failpoints.stands(guard) for guard in failpoints.GUARDS)


def test_the_process_dies_at_the_hit_that_counts() -> None:
    assert child("after_send=exit@2")[:2] == (failpoints.EXIT_CODE, "12")


def test_it_dies_once(tmp_path: Path) -> None:
    fired = tmp_path / "fired"
    assert child(f"after_send=exit!{fired}")[:2] == (failpoints.EXIT_CODE, "1")
    assert fired.read_text().strip().isdecimal()
    assert child(f"after_send=exit!{fired}")[:2] == (0, "123")


def test_it_sleeps(settings: Settings) -> None:
    settings.DNSORCH_FAILPOINTS = "before_commit=sleep:0.05@1"
    started = time.monotonic()
    failpoints.hit("before_commit")
    assert time.monotonic() - started >= 0.05


def test_a_file_is_read_anew(settings: Settings, tmp_path: Path) -> None:
    points = tmp_path / "points"
    settings.DNSORCH_FAILPOINTS = f"file:{points}"
    assert failpoints.stands("marker")
    points.write_text("no_marker\n")
    assert not failpoints.stands("marker")
    assert failpoints.stands("sweep")
    points.unlink()
    assert failpoints.stands("marker")


@pytest.mark.parametrize(
    "word",
    ["nowhere=exit", "after_send=explode", "after_send=sleep", "no_brakes", "marker"],
)
def test_a_misspelt_entry_stops_the_start(settings: Settings, word: str) -> None:
    settings.DNSORCH_FAILPOINTS = word
    with pytest.raises(ImproperlyConfigured, match=word):
        failpoints.plan()


def test_a_process_does_not_start_with_a_misspelt_entry() -> None:
    code, output, errors = child("nowhere=exit", START)
    assert (code, output) == (1, "")
    assert "'nowhere=exit' is no entry" in errors


@pytest.mark.parametrize("profile", ["uta", "prod"])
def test_they_are_refused_outside_dev(profile: str) -> None:
    code, output, errors = child(
        "after_send=exit",
        START,
        DNSORCH_ENV=profile,
        DNSORCH_SECRET_KEY="x" * 60,
        DATABASE_URL="postgres://nobody:nothing@127.0.0.1:1/none",
    )
    assert (code, output) == (1, "")
    assert "DNSORCH_FAILPOINTS is for tests" in errors
