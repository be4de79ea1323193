"""manage.py plan --zone-file: what would make the zone as the file is."""

from __future__ import annotations

import json
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from dns_records.models import Zone
from dns_records.tests import world
from dns_records.tests.callers import deliver
from dns_records.tests.world import draft, post
from requests_tracker.api import tracking
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A1, A2 = "192.0.2.1", "192.0.2.2"
FILE = f"""\
$TTL 300
@ 3600 SOA ns1 hostmaster 1 2 3 4 5
@ NS ns1
www A {A1}
www A {A2}
mail 60 A {A1}
"""
WWW = "www.example.test."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The zone file."""
    path = tmp_path / "example.test.zone"
    path.write_text(FILE)
    return path


def run(file: Path | str, *arguments: str) -> tuple[int, list[str]]:
    """Run the command; return its exit code and the lines it prints."""
    out = StringIO()
    try:
        call_command(
            "plan", "example.test", "--zone-file", str(file), *arguments, stdout=out
        )
    except SystemExit as end:
        return int(str(end.code)), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def refused(file: Path | str, *arguments: str) -> str:
    """Return what the command says when it refuses."""
    with pytest.raises(CommandError) as failed:
        run(file, *arguments)
    assert failed.value.returncode == 1
    return str(failed.value)


def there() -> None:
    """Have some RRsets wanted: one as in the file, one otherwise, and others."""
    post(
        draft("put", "mail", "A", A1, ttl=60),
        draft("put", "www", "A", A1),
        draft("put", "old", "TXT", "x"),
        draft("put", "@", "NS", "ns1.example.test.", "ns.test."),
    )


def test_only_what_differs_is_shown(zone: Zone, file: Path) -> None:
    there()
    code, lines = run(file)
    assert (code, lines[:-1]) == (
        2,
        [f"  {WWW} 300 IN A {A1}", f"+ {WWW} 300 IN A {A2}"],
    )
    assert lines[-1].startswith("digest: ")
    assert Request.objects.count() == 1


def test_others_are_deleted_if_asked_for(zone: Zone, file: Path) -> None:
    """The NS of the apex are the server's own affair, in the file and in the zone."""
    there()
    code, lines = run(file, "--delete-others")
    assert (code, lines[:-1]) == (
        2,
        [
            '- old.example.test. 300 IN TXT "x"',
            f"  {WWW} 300 IN A {A1}",
            f"+ {WWW} 300 IN A {A2}",
        ],
    )


def test_nothing_differs(zone: Zone, file: Path) -> None:
    post(draft("put", "mail", "A", A1, ttl=60), draft("put", "www", "A", A1, A2))
    code, (digest,) = run(file, "--delete-others")
    assert code == 0
    number = digest.removeprefix("digest: ")
    assert run(file, "--apply", "--digest", number) == (0, [digest])
    assert Request.objects.count() == 1


def test_json_from_standard_input(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = SimpleNamespace(buffer=BytesIO(FILE.encode()))
    monkeypatch.setattr("sys.stdin", raw)
    code, (line,) = run("-", "--json")
    found = [(each["name"], each["action"]) for each in json.loads(line)["changes"]]
    assert (code, found) == (2, [("mail.example.test.", "replace"), (WWW, "replace")])


def test_apply_sends_what_was_approved(
    zone: Zone, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there()
    monkeypatch.setattr(tracking, "wait", lambda *others: deliver(zone))
    deliver(zone)
    digest = run(file, "--delete-others")[1][-1].removeprefix("digest: ")
    code, lines = run(file, "--delete-others", "--apply", "--digest", digest)
    request = Request.objects.latest("received_at")
    assert (code, lines) == (0, [f"request {request.pk}: completed"])
    assert world.served(zone) == {
        ("example.test.", "NS"): (300, ("ns.test.", "ns1.example.test.")),
        ("mail.example.test.", "A"): (60, (A1,)),
        (WWW, "A"): (300, (A1, A2)),
    }


def test_apply_refuses_a_plan_that_nobody_approved(zone: Zone, file: Path) -> None:
    digest = run(file)[1][-1].removeprefix("digest: ")
    # It was as in the file; by now it would be changed, too.
    post(draft("put", "www", "A", A1))
    code, lines = run(file, "--apply", "--digest", digest)
    assert code == 1
    assert "(plan_changed)" in lines[1]
    assert world.wanted(zone) == {(WWW, "A"): (300, (A1,))}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "a.test. 60 A 192.0.2.1\nb.test. 60 A 192.0.2.1\n",
            ["  line 1: ", "  line 2: "],
        ),
        ("www 60 A 192.0.2.1\nwww 70 A 192.0.2.2\n", ["line 2: ", "has one TTL"]),
        ("$INCLUDE other\n", ["(invalid_zone_file)", "line 1: "]),
        ("a 60 CNAME b.test.\na 60 TXT x\n", ["(cname_conflict)"]),
    ],
)
def test_what_is_wrong_is_told(
    zone: Zone, file: Path, text: str, says: list[str]
) -> None:
    file.write_text(text)
    told = refused(file)
    assert [each for each in says if each not in told] == []


def test_what_does_not_fit_is_for_an_import(zone: Zone, file: Path) -> None:
    text = "x" * 250
    file.write_text("".join(f"h{n} 60 TXT {text}\n" for n in range(300)))
    for more in ((), ("--apply", "--digest", "0" * 64)):
        told = refused(file, *more)
        assert "(changeset_too_large)" in told
        assert f"manage.py import_zone example.test --file {file} takes" in told
    assert not Request.objects.exists()
    assert "and deletes nothing" in refused(file, "--delete-others")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "expected ZONE and a file with JSON"),
        (["changes.json", "--zone-file", "x"], "expected ZONE and a file with JSON"),
        (["changes.json", "--delete-others"], "goes with --zone-file"),
        (["--zone-file", "there-is-none"], "No such file"),
    ],
)
def test_arguments_that_make_no_sense(
    zone: Zone, arguments: list[str], says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("plan", "example.test", *arguments)


def test_a_zone_that_is_not_registered(db: None, file: Path) -> None:
    assert "no zone example.test. is registered" in refused(file)
