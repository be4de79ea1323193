"""Over sockets: UDP and TCP, transfers, secondaries, faults of time, life."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import dns.xfr
import dns.zone
import pytest

from dnsorch.embedded.nameserver import (
    Faults,
    NameServer,
    Running,
    running,
    transfer,
    tsig,
)
from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.errors import AddressTaken, JournalMismatch
from dnsorch.embedded.tests.nameserver_helpers import (
    KEY,
    ORIGIN,
    ZONE,
    Server,
    content,
    transferred,
    update_message,
)

KEYRING = tsig.keyring([KEY])


def udp(server: Running, message: dns.message.Message) -> dns.message.Message:
    """Return the answer over UDP."""
    return dns.query.udp(message, server.host, 10, server.port)


def tcp(server: Running, message: dns.message.Message) -> dns.message.Message:
    """Return the answer over TCP."""
    return dns.query.tcp(message, server.host, 10, server.port)


def serial(server: Running) -> int:
    """Return the serial that a server serves."""
    response = udp(server, dns.message.make_query(ORIGIN, "SOA"))
    value: int = response.answer[0][0].serial
    return value


def eventually(check: Callable[[], bool]) -> None:
    """Wait until something holds; fail after ten seconds."""
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("ask", [udp, tcp])
def test_update_and_query(
    ask: Callable[[Running, dns.message.Message], dns.message.Message],
) -> None:
    """The same over both transports, in the log before the answer."""
    with running(keyring=KEYRING) as server:
        request = update_message("add www 60 A 192.0.2.1", key=KEY)
        assert ask(server, request).rcode() == dns.rcode.NOERROR
        assert [update.serial for update in server.updates] == [2]
        assert server.updates[0].client.startswith("127.0.0.1:")
        response = ask(server, dns.message.make_query("www.example.test.", "A"))
        assert response.answer[0].to_text() == "www.example.test. 60 IN A 192.0.2.1"


def test_pipelining() -> None:
    """Messages sent in one go over TCP are handled and answered in their order."""
    messages = [update_message(f"add n{i} 60 A 192.0.2.1") for i in range(20)]
    wires = [message.to_wire(prepend_length=True) for message in messages]
    with running() as server:
        with socket.create_connection((server.host, server.port), 10) as connection:
            connection.sendall(b"".join(wires))
            for message in messages:
                response, _ = dns.query.receive_tcp(connection, time.time() + 10)
                assert response.id == message.id
            connection.sendall(wires[0])
            dns.query.receive_tcp(connection, time.time() + 10)
        assert [update.adds[0].name for update in server.updates] == [
            f"n{i}.example.test." for i in range(20)
        ]


def test_concurrent_updates_are_one_after_the_other() -> None:
    """Clients that compare and swap on one name: each value is seen by one of them."""
    winners: list[int] = []
    with running([zones.from_text(ZONE, ORIGIN)]) as server:

        def swap(number: int) -> None:
            for turn in range(10):
                request = update_message(
                    f"yx lock TXT {turn}", "del lock", f"add lock 60 TXT {turn + 1}"
                )
                if tcp(server, request).rcode() == dns.rcode.NOERROR:
                    winners.append(turn)

        tcp(server, update_message("add lock 60 TXT 0"))
        threads = [threading.Thread(target=swap, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(winners) == sorted(set(winners))
        assert [update.serial for update in server.updates] == list(
            range(11, 12 + len(winners))
        )


@pytest.mark.parametrize(
    "wire, answer",
    [
        (b"\x12\x34" + b"\x00" * 9, None),
        (b"\x12\x34\x80\x00" + b"\x00" * 8, None),
        (b"\x12\x34\x21\x00" + b"\x00" * 8, b"\x12\x34\xa1\x04" + b"\x00" * 8),
        (b"\x12\x34\x78\x00" + b"\xff" * 8, b"\x12\x34\xf8\x04" + b"\x00" * 8),
        (b"\x12\x34\x01\x00" + b"\x00" * 8, b"\x12\x34\x81\x01" + b"\x00" * 8),
        (b"\x12\x34\x01\x00" + b"\xff" * 20, b"\x12\x34\x81\x01" + b"\x00" * 8),
        (b"\x12\x34\x28\x00" + b"\x00" * 8, b"\x12\x34\xa8\x01" + b"\x00" * 8),
        (b"\x12\x34\x28\x00" + b"\xff" * 30, b"\x12\x34\xa8\x01" + b"\x00" * 8),
    ],
)
def test_garbage(wire: bytes, answer: bytes | None) -> None:
    """Too short or an answer: silence. Other opcodes: NOTIMP. Malformed: FORMERR."""
    sentinel = dns.message.make_query("example.test.", "SOA", id=0xBEEF)
    with running() as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect((server.host, server.port))
        client.send(wire)
        client.send(sentinel.to_wire())
        answers = [client.recv(4096)]
        if answer is not None:
            answers.append(client.recv(4096))
    assert answers[-1][:2] == b"\xbe\xef"
    assert answers[:-1] == ([] if answer is None else [answer])


@pytest.mark.parametrize("keyring", [None, KEYRING])
def test_transfer_of_many_messages(keyring: tsig.Keyring | None) -> None:
    """A zone of many messages arrives whole, signed as one stream if asked so."""
    text = ZONE + "".join(f"host{i} 300 TXT {'x' * 100}\n" for i in range(1000))
    zone = zones.from_text(text, ORIGIN)
    with running([zone], keyring=KEYRING) as server:
        copy = transferred((server.host, server.port), keyring)
        assert content(copy) == content(zone)
        query, _ = dns.xfr.make_query(copy, serial=None, keyring=keyring)
        with dns.query.make_socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.setblocking(True)
            connection.connect((server.host, server.port))
            connection.setblocking(False)
            dns.query.send_tcp(connection, query, time.time() + 10)
            first, _ = dns.query.receive_tcp(
                connection,
                time.time() + 10,
                keyring=query.keyring,
                request_mac=query.mac,
            )
        assert len(first.answer) == 126
        assert first.had_tsig == bool(keyring)


def test_transfer_is_of_one_version() -> None:
    """An UPDATE in the middle of a transfer does not show in it."""
    names = "".join(f"host{i} 300 TXT {'x' * 200}\n" for i in range(200))
    server = Server(ZONE + names)
    query = dns.message.make_query(ORIGIN, "AXFR")
    wires = server.responder.respond(query.to_wire(), "client", stream=True)
    messages = [dns.message.from_wire(next(wires))]
    assert server.update("del host99") == "NOERROR"
    messages += [dns.message.from_wire(wire) for wire in wires]
    rrsets = [rrset for message in messages for rrset in message.answer]
    assert len(messages) == 3
    assert rrsets[-1][0].serial == 10
    assert dns.name.from_text("host99", ORIGIN) in {rrset.name for rrset in rrsets}
    assert server.serial == 11


@pytest.mark.parametrize(
    "name, rdtype, rcode",
    [
        ("example.test.", "AXFR", dns.rcode.FORMERR),
        ("www.example.test.", "AXFR", dns.rcode.NOTAUTH),
        ("other.test.", "AXFR", dns.rcode.REFUSED),
    ],
)
def test_transfer_refused(name: str, rdtype: str, rcode: dns.rcode.Rcode) -> None:
    """No transfer over UDP, below the apex, or of another's zone."""
    with running() as server:
        response = udp(server, dns.message.make_query(name, rdtype))
        assert response.rcode() == rcode


def test_several_zones() -> None:
    """The closest zone answers; each has its own serial."""
    with running(["example.test.", "sub.example.test.", "other.test."]) as server:
        request = dns.update.UpdateMessage("sub.example.test.")
        request.add("www", 60, "A", "192.0.2.1")
        assert udp(server, request).rcode() == dns.rcode.NOERROR
        query = dns.message.make_query("www.sub.example.test.", "A")
        assert len(udp(server, query).answer) == 1
        assert serial(server) == 1
        assert [update.zone for update in server.updates] == ["sub.example.test."]


def test_answer_delay() -> None:
    """The change is made at once; only its answer is late."""
    with running(faults=Faults(answer_delay=3600)) as server:
        request = update_message("add www 60 A 192.0.2.1")
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(request, server.host, 0.2, server.port)
        with pytest.raises(dns.exception.Timeout):
            dns.query.tcp(request, server.host, 0.2, server.port)
        assert len(server.updates) == 1
        server.faults = Faults()
        assert serial(server) == 2


def test_secondary() -> None:
    """A secondary follows its primary and refuses UPDATEs."""
    with running(keyring=KEYRING) as primary:
        where = (primary.host, primary.port)
        with running(primary=where, keyring=KEYRING) as secondary:
            assert serial(secondary) == 1
            udp(primary, update_message("add www 60 A 192.0.2.1", key=KEY))
            eventually(lambda: serial(secondary) == 2)
            copy = transferred((secondary.host, secondary.port))
            assert content(copy) == content(transferred(where))
            request = update_message("del www", key=KEY)
            assert udp(secondary, request).rcode() == dns.rcode.REFUSED
            assert secondary.updates == []


def test_secondary_that_lags() -> None:
    """With a lag a new version is not served until it is over, or the lag changes."""
    with running() as primary:
        late = Faults(lag=math.inf)
        with (
            running(primary=(primary.host, primary.port), faults=late) as never,
            running(primary=(primary.host, primary.port)) as prompt,
        ):
            udp(primary, update_message("add www 60 A 192.0.2.1"))
            udp(primary, update_message("add www 60 A 192.0.2.2"))
            eventually(lambda: serial(prompt) == 3)
            assert serial(never) == 1
            never.faults = Faults()
            eventually(lambda: serial(never) == 3)


def test_secondary_without_a_zone_yet() -> None:
    """A secondary that cannot reach its primary starts, and answers SERVFAIL."""
    with socket.socket(type=socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        primary = nobody.getsockname()
        with running(primary=primary, wait=False) as secondary:
            query = dns.message.make_query(ORIGIN, "SOA")
            assert udp(secondary, query).rcode() == dns.rcode.SERVFAIL


def test_stop_survives_a_lost_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secondary whose poll swallows a cancellation (Python 3.11 does) still stops."""
    polls = 0

    async def poll(follower: transfer.Follower) -> None:
        nonlocal polls
        polls += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if polls > 1:
                raise

    async def start_and_stop() -> None:
        server = NameServer(["example.test."], primary=("127.0.0.1", 9))
        await server.start()
        while polls == 0:
            await asyncio.sleep(0)
        await asyncio.wait_for(server.stop(), 10)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    monkeypatch.setattr(transfer.Follower, "_poll", poll)
    asyncio.run(start_and_stop())


def test_data_directory(tmp_path: Path) -> None:
    """What was applied is there after a restart."""
    with running(data_dir=tmp_path) as server:
        udp(server, update_message("add www 60 A 192.0.2.1"))
        before = content(transferred((server.host, server.port)))
    with running(data_dir=tmp_path) as server:
        assert content(transferred((server.host, server.port))) == before
        assert server.updates == []


def test_unwritable_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be made to last is not applied: SERVFAIL, and the zone as before."""
    with running(data_dir=tmp_path) as server:

        def fail(descriptor: int) -> None:
            raise OSError("no space")

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fail)
            request = update_message("add www 60 A 192.0.2.1")
            assert udp(server, request).rcode() == dns.rcode.SERVFAIL
        assert serial(server) == 1
        assert server.updates == []
        udp(server, update_message("add www 60 A 192.0.2.2"))
        assert [update.serial for update in server.updates] == [2]


def test_port_that_is_taken() -> None:
    """A taken port is an error with a name, and nothing is left behind."""
    with running() as server:
        with pytest.raises(AddressTaken, match=f"port {server.port}"):
            with running(port=server.port):
                pass


def test_broken_data_directory(tmp_path: Path) -> None:
    """An error at start comes out of the context manager, and frees the directory."""
    with running(data_dir=tmp_path):
        pass
    zone_file = tmp_path / "zones" / "example.test.zone"
    good = zone_file.read_text()
    zone_file.write_text(good.replace(" 1 3600", " 7 3600"))
    with pytest.raises(JournalMismatch):
        with running(data_dir=tmp_path):
            pass
    zone_file.write_text(good)
    with running(data_dir=tmp_path) as server:
        assert serial(server) == 1
