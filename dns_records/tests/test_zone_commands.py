"""``manage.py import_zone`` and ``export_zone``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dns_records.management.commands.import_zone import Bar
from dns_records.models import Zone
from dns_records.providers.memory import Faults
from dns_records.services import import_jobs, import_run
from dns_records.tests import world
from dns_records.tests.world import ZONE, add, address, put_into_dns, wanted
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A = "192.0.2.1"


def call(name: str, *options: str) -> tuple[str, str]:
    """Run a command; return what it printed, and what it complained of."""
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_import_is_left_to_the_workers(zone: Zone) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    out, _ = call("import_zone", "Example.Test")
    request = Request.objects.get()
    assert out == f"request {request.pk}: queued\n"
    assert (request.source, request.requester) == ("command", "manage.py")
    assert wanted(zone) == {}
    import_run.run(zone.pk)


def test_wait_shows_the_progress(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_jobs, "PAGE", 10)
    monkeypatch.setattr(import_run, "SLICE_S", 0.0)
    monkeypatch.setattr("dns_records.management.commands.import_zone.PAUSE_S", 0.0)
    for number in range(40):
        put_into_dns(zone, f"n{number}.example.test.", "A", address(number))
    put_into_dns(zone, "x.example.test.", "TYPE65280", "\\# 1 00")

    out, err = call("import_zone", ZONE, "--from", "api", "--wait")

    lines = err.splitlines()
    assert len(lines) == 5 and lines[-1].endswith("100 %  41 of 41 records")
    assert lines[1].startswith("[##############")
    assert "completed; RRsets: 1 left_out, 40 taken" in out
    assert "left out: x.example.test. TYPE65280" in out
    assert len(wanted(zone)) == 40


def test_a_terminal_shows_a_line_that_is_written_over() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str, ending: str = "\n") -> int:
            return super().write(text + ending)

    shown = Terminal()
    bar = Bar(shown)
    state: dict[str, Any] = {"percent": None, "records": 7, "phase": "reading"}
    bar.show(state)
    bar.show(state | {"phase": "taking", "percent": 50, "total": 14, "eta_s": 3})
    assert shown.getvalue() == (
        "\r\x1b[Kreading: 7 records"
        "\r\x1b[K[###############...............]  50 %  7 of 14 records, "
        "about 3 s left"
    )


def test_dry_run_prints_counts(zone: Zone, tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text(f"$TTL 60\nwww A {A}\n")
    out, _ = call("import_zone", ZONE, "--file", str(file), "--dry-run")
    assert json.loads(out)["counts"]["new"] == 1
    assert not Request.objects.exists()


def test_a_wrong_file_is_told_line_by_line(zone: Zone, tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text("$TTL 60\na.example.org. A 192.0.2.1\nb.example.org. A 192.0.2.1\n")
    with pytest.raises(CommandError, match="line 2: (.|\n)*line 3: "):
        call("import_zone", ZONE, "--file", str(file))
    with pytest.raises(CommandError, match="line 2: "):
        call("import_zone", ZONE, "--file", str(file), "--dry-run")
    with pytest.raises(CommandError, match="No such file"):
        call("import_zone", ZONE, "--file", str(tmp_path / "none"))


def test_an_import_that_fails_is_an_error(zone: Zone) -> None:
    world.store_of(zone).faults = Faults(misconfigured=True)
    with pytest.raises(CommandError, match="set up wrongly"):
        call("import_zone", ZONE, "--wait")


@pytest.mark.parametrize("command", ["import_zone", "export_zone"])
def test_a_zone_that_is_not_registered(db: None, command: str) -> None:
    with pytest.raises(CommandError, match="no zone example.org. is registered"):
        call(command, "example.org")


def test_export(zone: Zone, tmp_path: Path) -> None:
    add("www", A)
    out, _ = call("export_zone", ZONE)
    assert "www.example.test. 300 IN A 192.0.2.1\n" in out
    path = tmp_path / "zone"
    assert call("export_zone", ZONE, "--output", str(path)) == ("", "")
    assert path.read_text().splitlines()[1:] == out.splitlines()[1:]
    with pytest.raises(CommandError, match="No such file"):
        call("export_zone", ZONE, "--output", str(tmp_path / "no" / "zone"))
