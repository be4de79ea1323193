"""The PowerDNS API, request by request."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dns_records.providers import powerdns
from dns_records.providers.base import Fence, Secret
from dns_records.providers.errors import (
    KeyRefused,
    MessageTooLarge,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.powerdns import PowerDnsProvider
from dns_records.providers.registry import provider_class
from dns_records.tests import powerdns_server
from dns_records.tests.powerdns_server import API_KEY, ZONES, PowerDns
from dns_records.tests.provider_services import ZONE, api_key, rr
from dnsorch.exceptions import SecretUnavailable

PATH = ZONES + ZONE
A = rr("www", "A", "192.0.2.1")


@pytest.fixture
def server() -> Iterator[PowerDns]:
    """A likeness of PowerDNS."""
    with powerdns_server.running(ZONE) as server:
        yield server


def provider(
    server: PowerDns, secret: Secret = api_key, **options: Any
) -> PowerDnsProvider:
    """Return a provider that speaks to the server."""
    return PowerDnsProvider({"url": server.url, **options}, secret)


def test_it_is_a_driver() -> None:
    assert provider_class("powerdns") is PowerDnsProvider


def test_one_look_at_the_zone_then_one_patch(server: PowerDns) -> None:
    sut = provider(server)
    receipt = sut.apply(ZONE, [rr("www", "A", "192.0.2.1", "192.0.2.2"), rr("b", "MX")])
    sut.apply(ZONE, [rr("t", "TXT", r'"\"\\\195"')])

    deleted = {"name": "b." + ZONE, "type": "MX", "changetype": "DELETE"}
    replaced = {
        "name": "www." + ZONE,
        "type": "A",
        "changetype": "REPLACE",
        "ttl": 300,
        "records": [
            {"content": "192.0.2.1", "disabled": False},
            {"content": "192.0.2.2", "disabled": False},
        ],
    }
    text = {
        "name": "t." + ZONE,
        "type": "TXT",
        "changetype": "REPLACE",
        "ttl": 300,
        "records": [{"content": r'"\"\\\195"', "disabled": False}],
    }
    assert server.requests == [
        ("GET", PATH + "?rrsets=false", None),
        ("PATCH", PATH, {"rrsets": [deleted, replaced]}),
        ("PATCH", PATH, {"rrsets": [text]}),
    ]
    assert (receipt.rcode, receipt.octets) == ("NOERROR", 240)


def test_a_probe_asks_for_each_name_once(server: PowerDns) -> None:
    images = [rr("a", "A"), rr("a", "TXT"), rr("*", "A"), rr("a", "MX")]

    assert provider(server).probe(ZONE, images)
    assert [path for _, path, _ in server.requests] == [
        f"{PATH}?rrset_name=a.{ZONE}",
        f"{PATH}?rrset_name=%2A.{ZONE}",
    ]


def test_a_probe_reads_records_by_their_meaning(server: PowerDns) -> None:
    server.put("www." + ZONE, "MX", "10 Mail.Example.TEST.")
    assert provider(server).probe(ZONE, [rr("www", "MX", "10 mail.example.test.")])


def test_a_disabled_record_is_not_held(server: PowerDns) -> None:
    server.put("www." + ZONE, "A", "192.0.2.1", disabled=True)

    assert not provider(server).probe(ZONE, [A])
    assert provider(server).probe(ZONE, [rr("www", "A")])


def test_what_is_no_rdata_is_not_what_was_wanted(server: PowerDns) -> None:
    server.put("www." + ZONE, "A", "no address")
    assert not provider(server).probe(ZONE, [A])


@pytest.mark.parametrize(
    ("zone", "zone_id"),
    [
        ("example.test.", "example.test."),
        ("0/26.2.0.192.in-addr.arpa.", "0=2F26.2.0.192.in-addr.arpa."),
        ("_tcp.a=b.test.", "=5Ftcp.a=3Db.test."),
    ],
)
def test_the_id_of_a_zone(zone: str, zone_id: str) -> None:
    assert powerdns._zone_id(zone) == zone_id


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("soa_edit_api", "", "SOA-EDIT-API"),
        ("kind", "Slave", "secondary"),
        ("kind", "Secondary", "secondary"),
        ("kind", "Consumer", "secondary"),
    ],
)
def test_a_zone_that_no_change_would_leave_is_not_written(
    server: PowerDns, attribute: str, value: str, words: str
) -> None:
    setattr(server, attribute, value)
    for action in (
        lambda: provider(server).apply(ZONE, [A]),
        lambda: provider(server).check_permission(ZONE),
    ):
        with pytest.raises(Misconfigured, match=words):
            action()
    assert server.patches == 0


@pytest.mark.parametrize(
    ("status", "kind", "rcode"),
    [
        (301, Misconfigured, "NOTAUTH"),
        (400, PermanentRefusal, "REFUSED"),
        (401, KeyRefused, "NOTAUTH"),
        (403, KeyRefused, "NOTAUTH"),
        (404, Misconfigured, "NOTAUTH"),
        (405, Misconfigured, "NOTAUTH"),
        (409, PermanentRefusal, "REFUSED"),
        (413, MessageTooLarge, "REFUSED"),
        (422, PermanentRefusal, "REFUSED"),
        (429, Unreachable, "REFUSED"),
        (500, OutcomeUnknown, "SERVFAIL"),
        (502, OutcomeUnknown, "SERVFAIL"),
        (503, OutcomeUnknown, "SERVFAIL"),
    ],
)
def test_each_status_of_a_patch_is_a_kind_of_error(
    server: PowerDns, status: int, kind: type[ProviderError], rcode: str
) -> None:
    sut = provider(server)
    sut.check_permission(ZONE)
    server.status = status

    with pytest.raises(ProviderError) as error:
        sut.apply(ZONE, [A])

    assert type(error.value) is kind
    assert error.value.rcode == rcode
    assert error.value.detail == f"the API answered {status}: words of the server"
    if isinstance(error.value, OutcomeUnknown):
        assert error.value.answered is True


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_question_has_no_unknown_outcome(server: PowerDns, status: int) -> None:
    server.status = status
    with pytest.raises(Unreachable):
        provider(server).probe(ZONE, [A])


def test_an_unknown_zone(server: PowerDns) -> None:
    with pytest.raises(Misconfigured) as error:
        provider(server).apply("example.net.", [A])
    assert error.value.detail == "the API answered 404: Not Found"


@pytest.mark.parametrize("answer", ["[1]", "<html>"])
def test_something_else_answers(
    server: PowerDns, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    def get(query: object) -> tuple[int, Any]:
        return 200, [1] if answer == "[1]" else answer

    monkeypatch.setattr(server, "get", get)
    with pytest.raises(Misconfigured, match="no PowerDNS API"):
        provider(server).probe(ZONE, [A])


def test_the_server_s_words_are_cut(
    server: PowerDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "patch", lambda body: (422, {"error": "x" * 5000}))
    with pytest.raises(PermanentRefusal) as error:
        provider(server).apply(ZONE, [A])
    assert error.value.detail == "the API answered 422: " + "x" * 300


def test_a_closed_connection_leaves_the_outcome_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sut = PowerDnsProvider(
            {"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}, api_key
        )
        sut._zones_checked.add(ZONE)
        hang_up = _in_thread(lambda: _take_and_close(listening))
        with pytest.raises(OutcomeUnknown) as error:
            sut.apply(ZONE, [A])
        hang_up()
    assert error.value.answered is False


def _take_and_close(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65_536)


def _in_thread(work: Callable[[], None]) -> Callable[[], None]:
    thread = threading.Thread(target=work)
    thread.start()
    return thread.join


def test_a_fence_is_not_pretended(server: PowerDns) -> None:
    with pytest.raises(Misconfigured, match="cannot fence"):
        provider(server).apply(ZONE, [A], fence=Fence(None, "v1 1 1"))
    assert server.requests == []


# --- the key ------------------------------------------------------------------------


class Rotating:
    """A secret that its source has a newer one of."""

    def __init__(self, cached: str, current: str) -> None:
        self.cached, self.current = cached, current
        self.asked: list[bool] = []

    def __call__(self, *, fresh: bool = False) -> str:
        self.asked.append(fresh)
        if fresh:
            self.cached = self.current
        return self.cached


def test_a_key_that_is_turned_away_is_read_anew_once(server: PowerDns) -> None:
    secret = Rotating("old", API_KEY + "\n")
    provider(server, secret).apply(ZONE, [A])

    assert secret.asked == [False, True, False]
    assert server.patches == 1


def test_a_wrong_key(server: PowerDns) -> None:
    secret = Rotating("wrong-api-key", "wrong-api-key")
    with pytest.raises(KeyRefused) as error:
        provider(server, secret).apply(ZONE, [A])

    assert secret.asked == [False, True]
    assert len(server.requests) == 1
    assert "wrong-api-key" not in str(error.value)


@pytest.mark.parametrize("key", ["", " \n", "key\nwith line", "schlüssel", "k\x00y"])
def test_a_key_that_cannot_be_sent_is_not_quoted(server: PowerDns, key: str) -> None:
    with pytest.raises(Misconfigured) as error:
        provider(server, lambda *, fresh=False: key).check_permission(ZONE)

    assert error.value.detail == "the API key is empty or not printable ASCII"
    assert server.requests == []


def test_a_secret_that_is_not_there(server: PowerDns) -> None:
    def secret(*, fresh: bool = False) -> str:
        raise SecretUnavailable("no file")

    with pytest.raises(Misconfigured, match="no file"):
        provider(server, secret).check_permission(ZONE)


# --- options ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "url"),
        ({"url": "ftp://127.0.0.1"}, "url"),
        ({"url": "127.0.0.1:8081"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://a:b@127.0.0.1"}, "url"),
        ({"url": "http://127.0.0.1/?a=b"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"url": "http://127.0.0.1", "server_id": ""}, "server_id"),
        ({"url": "http://127.0.0.1", "timeout_s": 0}, "timeout_s"),
        ({"url": "http://127.0.0.1", "connect_timeout_s": 61}, "connect_timeout_s"),
        ({"url": "http://127.0.0.1", "api_key": "x"}, "api_key"),
    ],
)
def test_impossible_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        PowerDnsProvider(options, api_key)


def test_a_key_is_needed() -> None:
    with pytest.raises(Misconfigured, match="secret"):
        PowerDnsProvider({"url": "http://127.0.0.1"}, None)


def test_a_path_in_front_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def request(self: httpx.Client, method: str, url: str, **_: Any) -> httpx.Response:
        asked.append(str(self.base_url.join(url)))
        return httpx.Response(404, request=httpx.Request(method, url))

    monkeypatch.setattr(httpx.Client, "request", request)
    options = {"url": "http://proxy.test/dns/", "server_id": "a/b"}
    with pytest.raises(Misconfigured):
        PowerDnsProvider(options, api_key).check_permission(ZONE)
    assert asked == ["http://proxy.test/dns/api/v1/servers/a%2Fb/zones/example.test."]


# --- TLS ----------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that only itself vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PowerDNS")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_is_verified(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with powerdns_server.running(ZONE, context) as server:
        provider(server, ca_file=str(certificate)).apply(ZONE, [A])
        assert server.patches == 1

        with pytest.raises(Misconfigured, match="certificate"):
            provider(server).apply(ZONE, [A])
        assert server.patches == 1


def test_a_file_of_authorities_that_is_not_there(server: PowerDns) -> None:
    with pytest.raises(Misconfigured, match="ca_file"):
        provider(server, ca_file="/nonexistent/ca.pem").check_permission(ZONE)
