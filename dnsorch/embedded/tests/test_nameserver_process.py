"""``manage.py run_nameserver`` as a process: options, signals, kill -9."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from dnsorch.embedded.management.commands import run_nameserver
from dnsorch.embedded.nameserver import Faults, running
from dnsorch.embedded.tests.nameserver_helpers import (
    KEY,
    ORIGIN,
    transferred,
    update_message,
)

Process = subprocess.Popen[str]


@contextmanager
def process(*options: str) -> Iterator[tuple[Process, int]]:
    """Run the command; give the process and its port, and kill it in the end."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "run_nameserver", "--listen", "127.0.0.1:0"]
        + ["--zone", "example.test", *options],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running_process:
        try:
            assert running_process.stdout is not None
            line = running_process.stdout.readline()
            assert line.startswith("Listening on 127.0.0.1:"), line
            yield running_process, int(line.rpartition(":")[2])
        finally:
            running_process.kill()


def test_kill_loses_no_acknowledged_update(tmp_path: Path) -> None:
    """Killed in the middle of many UPDATEs: each that was answered is still there."""
    key_file = tmp_path / "key"
    key_file.write_text("tests:hmac-sha256:c2VjcmV0c2VjcmV0c2VjcmV0\n")
    options = ("--data", str(tmp_path / "data"), "--key-file", str(key_file))
    acknowledged: list[str] = []
    enough = threading.Event()

    def send(port: int, client: int) -> None:
        for turn in range(10_000):
            request = update_message(f"add n{client}-{turn} 60 A 192.0.2.1", key=KEY)
            try:
                response = dns.query.tcp(request, "127.0.0.1", 10, port)
            except (OSError, EOFError, dns.exception.DNSException):
                return
            assert response.rcode() == dns.rcode.NOERROR
            acknowledged.append(f"n{client}-{turn}")
            if len(acknowledged) >= 60:
                enough.set()

    with process(*options) as (server, port):
        clients = [threading.Thread(target=send, args=(port, n)) for n in range(3)]
        for client in clients:
            client.start()
        assert enough.wait(60)
        server.send_signal(signal.SIGKILL)
        for client in clients:
            client.join()
        assert server.wait(10) == -signal.SIGKILL
    with process(*options) as (server, port):
        zone = transferred(("127.0.0.1", port))
    kept = {
        name.relativize(ORIGIN).to_text()
        for name in zone.nodes
        if name.relativize(ORIGIN).to_text() not in ("@", "ns1")
    }
    assert set(acknowledged) <= kept
    assert len(kept - set(acknowledged)) <= len(clients)
    log = (tmp_path / "data" / "updates.jsonl").read_text().splitlines()
    assert [json.loads(line)["serial"] for line in log] == list(range(2, 2 + len(kept)))
    assert {json.loads(line)["adds"][0][0] for line in log} == {
        f"{name}.example.test." for name in kept
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    """SIGTERM and SIGINT: exit code 0, also with a connection open."""
    with process() as (server, port):
        query = dns.message.make_query(ORIGIN, "SOA")
        with socket.create_connection(("127.0.0.1", port)):
            assert len(dns.query.tcp(query, "127.0.0.1", 10, port).answer) == 1
            server.send_signal(number)
            assert server.wait(10) == 0


def test_taken_port() -> None:
    """A taken port is one line on stderr and exit code 1."""
    with running() as server:
        done = subprocess.run(
            [sys.executable, "manage.py", "run_nameserver", "--zone", "example.test"]
            + ["--listen", f"127.0.0.1:{server.port}"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
        )
    message = f"CommandError: 127.0.0.1 port {server.port} is taken by something else."
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [message]


class Recorded(Exception):
    """The server was configured; the test wants no more."""


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the command gives to the name server, which then does not start."""
    given: dict[str, object] = {}

    def record(zones: list[str], **options: object) -> None:
        given.update(options, zones=zones)
        raise Recorded

    monkeypatch.setattr(run_nameserver, "NameServer", record)
    return given


def test_defaults(configured: dict[str, object]) -> None:
    """Without options: a well-behaved primary that forgets."""
    with pytest.raises(Recorded):
        call_command("run_nameserver", "--zone", "example.test")
    assert configured == {
        "zones": ["example.test."],
        "keyring": {},
        "data_dir": None,
        "faults": Faults(),
        "primary": None,
    }


def test_all_options(configured: dict[str, object], tmp_path: Path) -> None:
    """Each option reaches the server as what it means."""
    key_file, secret_file = tmp_path / "key", tmp_path / "secret"
    key_file.write_text('key "a." { algorithm hmac-sha512; secret "AAAA"; };\n')
    secret_file.write_text("BBBB")
    words = f"""
        --zone example.test --zone other.test. --data {tmp_path} --key-file {key_file}
        --key b:hmac-sha256:file:{secret_file} --key c:hmac-sha1:CCCC
        --secondary-of [::1]:5355 --lag inf --drop-updates --refuse-updates
        --servfail-updates --ignore-name a.test --ignore-name b.test
        --refuse-name c.test --answer-delay 0.5
    """
    with pytest.raises(Recorded):
        call_command("run_nameserver", *words.split())
    names = [dns.name.from_text(f"{label}.test") for label in "abc"]
    keyring = configured.pop("keyring")
    assert isinstance(keyring, dict)
    assert [str(name) for name in keyring] == ["a.", "b.", "c."]
    assert configured == {
        "zones": ["example.test.", "other.test."],
        "data_dir": tmp_path,
        "faults": Faults(
            drop_updates=True,
            ignore_names=frozenset(names[:2]),
            refuse_names=frozenset(names[2:]),
            refuse_updates=True,
            servfail_updates=True,
            answer_delay=0.5,
            lag=float("inf"),
        ),
        "primary": ("::1", 5355),
    }


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--listen", "5354", "'5354' is not HOST:PORT"),
        ("--listen", "127.0.0.1:65536", "'127.0.0.1:65536' is not HOST:PORT"),
        ("--lag", "-1", "'-1' is not a number of seconds"),
        ("--lag", "nan", "'nan' is not a number of seconds"),
        ("--answer-delay", "soon", "'soon' is not a number of seconds"),
        ("--zone", "a..b", "'a..b' is not a domain name"),
        ("--key", "k:hmac-sha256:file:/nonexistent", "nonexistent"),
        ("--key", "k:hmac-sha256:hunter2!", "A TSIG key is neither"),
        ("--key-file", "/nonexistent", "/nonexistent: "),
    ],
)
def test_bad_option(option: str, value: str, message: str) -> None:
    """A value that cannot be is an error that names it, but never a secret."""
    with pytest.raises(CommandError) as error:
        call_command("run_nameserver", "--zone", "example.test", f"{option}={value}")
    assert message in str(error.value)
    assert "hunter2" not in str(error.value)
