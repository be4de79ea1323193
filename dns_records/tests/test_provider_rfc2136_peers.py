"""The RFC 2136 provider: connections, keys, markers and options."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update
import pytest
from structlog.testing import capture_logs

from dns_records.providers import exchange, registry, updates
from dns_records.providers.base import Fence
from dns_records.providers.errors import (
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.rfc2136 import Rfc2136Provider
from dns_records.tests.rfc2136_kit import (
    NEW,
    OLD,
    WWW,
    ZONE,
    Secret,
    answering,
    key,
    provider,
)
from dns_records.tests.scripted import answer_to, scripted
from dnsorch.embedded import nameserver
from dnsorch.exceptions import SecretUnavailable

# --- connections -------------------------------------------------------------------


def test_a_connection_is_kept_for_the_next_message() -> None:
    with scripted(answer_to) as server:
        for _ in range(3):
            provider(server).apply(ZONE, [WWW])

    assert (len(server.messages), server.connections) == (3, 1)


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    with scripted(answer_to) as server:
        provider(server).apply(ZONE, [WWW])
        server.hang_up()
        provider(server).apply(ZONE, [WWW])

    assert (len(server.messages), server.connections) == (2, 2)


def test_a_connection_that_is_idle_for_long_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "IDLE_LIMIT_S", -1.0)
    with scripted(answer_to) as server:
        provider(server).apply(ZONE, [WWW])
        provider(server).apply(ZONE, [WWW])

    assert (len(server.messages), server.connections) == (2, 2)


def test_a_connection_with_an_answer_too_many_is_replaced() -> None:
    with scripted(lambda wire: [answer_to(wire), answer_to(wire)]) as server:
        provider(server).apply(ZONE, [WWW])
        assert provider(server).apply(ZONE, [WWW]).rcode == "NOERROR"

    assert (len(server.messages), server.connections) == (2, 2)


def test_a_connection_that_owes_an_answer_is_replaced() -> None:
    def script(wire: bytes) -> bytes | None:
        return answer_to(wire) if len(server.messages) > 1 else None

    with scripted(script) as server:
        with pytest.raises(OutcomeUnknown):
            provider(server, timeout_s=0.1).apply(ZONE, [WWW])
        assert provider(server, timeout_s=5.0).apply(ZONE, [WWW]).rcode == "NOERROR"

    assert server.connections == 2


def test_a_name_that_does_not_resolve_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(Unreachable, match="ns.example.net"):
        Rfc2136Provider({"server": "ns.example.net"}, None).check_permission(ZONE)


def test_a_name_that_resolves_is_spoken_to() -> None:
    with scripted(answer_to) as server:
        options = {"server": "localhost", "port": server.port}
        Rfc2136Provider(options, None).check_permission(ZONE)

    assert len(server.messages) == 1


def test_the_source_address_is_ours_to_choose() -> None:
    with scripted(answer_to) as server:
        provider(server, source="127.0.0.1").check_permission(ZONE)
        with pytest.raises(Unreachable):
            # TEST-NET-1 (RFC 5737) is nobody's address.
            provider(server, source="192.0.2.1").check_permission(ZONE)

    assert len(server.messages) == 1


# --- keys --------------------------------------------------------------------------


@pytest.fixture
def signing_server() -> Iterator[nameserver.Running]:
    """A development name server that knows the new key only."""
    with nameserver.running([ZONE], keyring={key(NEW).name: key(NEW)}) as server:
        yield server
        exchange.close_kept()


def test_a_renewed_secret_is_read_once_and_used(
    signing_server: nameserver.Running,
) -> None:
    secret = Secret(OLD, NEW)

    provider(signing_server, secret).apply(ZONE, [WWW])

    assert secret.reads == [False, True]
    assert len(signing_server.updates) == 1


def test_a_wrong_secret_that_was_not_renewed_is_misconfigured(
    signing_server: nameserver.Running,
) -> None:
    secret = Secret(OLD)

    with pytest.raises(KeyRefused) as refused:
        provider(signing_server, secret).apply(ZONE, [WWW])

    assert refused.value.kind == "misconfigured"
    assert secret.reads == [False, True]
    assert signing_server.updates == []


def test_an_unknown_key_is_misconfigured(signing_server: nameserver.Running) -> None:
    options = {"server": "127.0.0.1", "port": signing_server.port, "key_name": "other."}

    with pytest.raises(KeyRefused):
        Rfc2136Provider(options, Secret(NEW)).apply(ZONE, [WWW])


def test_an_unsigned_message_is_refused(signing_server: nameserver.Running) -> None:
    with pytest.raises(PermanentRefusal) as refusal:
        provider(signing_server).apply(ZONE, [WWW])

    assert refusal.value.rcode == "REFUSED"
    assert signing_server.updates == []


def test_clocks_that_differ_are_misconfigured() -> None:
    script = answering(
        dns.rcode.NOTAUTH, key=key(OLD), tsig_error=int(dns.rcode.BADTIME)
    )
    secret = Secret(OLD)
    with scripted(script) as server, pytest.raises(Misconfigured) as failure:
        provider(server, secret).apply(ZONE, [WWW])

    assert type(failure.value) is Misconfigured
    assert "BADTIME" in failure.value.detail
    assert secret.reads == [False]


@pytest.mark.parametrize("text", ["", "not base64!", "====", "abc"])
def test_a_secret_that_is_no_key_is_misconfigured_and_stays_secret(text: str) -> None:
    def secret(*, fresh: bool = False) -> str:
        return text

    options = {"server": "127.0.0.1", "port": 1, "key_name": "dnsorch."}
    with scripted(answer_to) as server, pytest.raises(Misconfigured) as failure:
        Rfc2136Provider({**options, "port": server.port}, secret).apply(ZONE, [WWW])

    assert not text or text not in failure.value.detail
    assert server.messages == []


def test_a_secret_that_cannot_be_read_is_misconfigured() -> None:
    def secret(*, fresh: bool = False) -> str:
        raise SecretUnavailable("file:/run/tsig cannot be read")

    options = {"server": "127.0.0.1", "port": 1, "key_name": "dnsorch."}
    with pytest.raises(Misconfigured, match="file:/run/tsig"):
        Rfc2136Provider(options, secret).apply(ZONE, [WWW])


def test_nothing_says_the_secret(signing_server: nameserver.Running) -> None:
    texts = [base64.b64encode(octets).decode() for octets in (OLD, NEW)]
    with capture_logs() as lines:
        with pytest.raises(KeyRefused) as refused:
            provider(signing_server, Secret(OLD)).apply(ZONE, [WWW])
        provider(signing_server, Secret(NEW)).apply(ZONE, [WWW], fence=STEP_ONE)

    assert [line["event"] for line in lines] == ["provider.apply", "provider.apply"]
    said = repr(lines) + repr(refused.value) + repr(vars(refused.value))
    assert not any(text in said for text in texts)


STEP_ONE = Fence(None, "v1 1 1")


# --- the marker --------------------------------------------------------------------


def test_a_marker_that_is_served_late_is_waited_for() -> None:
    # As with inline signing: UPDATE sees "new", queries still get "old".
    served = iter(["old", "old", "new"])
    held = dns.rrset.from_text("_dnsorch.example.test.", 0, "IN", "TXT", "new")

    def script(wire: bytes) -> bytes:
        request = dns.message.from_wire(wire)
        if isinstance(request, dns.update.UpdateMessage):
            (wanted,) = request.prerequisite
            holds = len(wanted) == 1 and wanted[0] == held[0]
            return answer_to(wire, dns.rcode.NOERROR if holds else dns.rcode.NXRRSET)
        answer = dns.message.make_response(request)
        answer.flags |= dns.flags.AA
        text = next(served)
        answer.answer = [dns.rrset.from_text(held.name, 0, "IN", "TXT", text)]
        return answer.to_wire()

    with scripted(script) as server:
        assert provider(server).read_marker(ZONE) == "new"

    assert next(served, None) is None


def test_two_markers_are_misconfigured() -> None:
    def script(wire: bytes) -> bytes:
        request = dns.message.from_wire(wire)
        if isinstance(request, dns.update.UpdateMessage):
            return answer_to(wire)
        answer = dns.message.make_response(request)
        answer.flags |= dns.flags.AA
        name = request.question[0].name
        answer.answer = [dns.rrset.from_text(name, 0, "IN", "TXT", "one", "two")]
        return answer.to_wire()

    with scripted(script) as server, pytest.raises(Misconfigured, match="2 TXT"):
        provider(server).read_marker(ZONE)


@pytest.mark.parametrize(
    ("rcode", "flags", "error"),
    [
        (dns.rcode.REFUSED, 0, Misconfigured),
        (dns.rcode.NOERROR, 0, Misconfigured),
        (dns.rcode.SERVFAIL, dns.flags.AA, Unreachable),
    ],
)
def test_a_server_that_does_not_serve_the_zone_has_no_marker(
    rcode: dns.rcode.Rcode, flags: int, error: type[ProviderError]
) -> None:
    def script(wire: bytes) -> bytes:
        answer = dns.message.make_response(dns.message.from_wire(wire))
        answer.flags |= flags
        answer.set_rcode(rcode)
        return answer.to_wire()

    with scripted(script) as server, pytest.raises(error):
        provider(server).read_marker(ZONE)


@pytest.mark.parametrize("text", ["x" * 256, "\u00e4"])
def test_a_marker_is_one_ascii_string(text: str) -> None:
    with pytest.raises(ValueError):
        updates.marker_rdata(text)


# --- options -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "server"),
        ({"server": ""}, "server"),
        ({"server": 1}, "server"),
        ({"server": None}, "server"),
        ({"server": "ns", "prot": 53}, "prot"),
        ({"server": "ns", "port": "53"}, "port"),
        ({"server": "ns", "port": True}, "port"),
        ({"server": "ns", "port": 0}, "port"),
        ({"server": "ns", "port": 65_536}, "port"),
        ({"server": "ns", "key_name": "a..b"}, "key_name"),
        ({"server": "ns", "key_name": "key."}, "key_name"),
        ({"server": "ns", "key_algorithm": "hmac-md5.sig-alg.reg.int"}, "algorithm"),
        ({"server": "ns", "key_algorithm": "sha256"}, "algorithm"),
        ({"server": "ns", "timeout_s": 0}, "timeout_s"),
        ({"server": "ns", "timeout_s": float("nan")}, "timeout_s"),
        ({"server": "ns", "connect_timeout_s": 61.0}, "connect_timeout_s"),
        ({"server": "ns", "source": "localhost"}, "source"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        registry.for_backend("rfc2136", options, "")


def test_whole_seconds_are_seconds() -> None:
    registry.for_backend("rfc2136", {"server": "ns", "timeout_s": 5}, "")


@pytest.mark.parametrize("name", ["timeout_s", "connect_timeout_s"])
def test_a_time_limit_is_half_a_lease_at_most(settings: Any, name: str) -> None:
    settings.DNSORCH_LEASE_S = 12
    registry.for_backend("rfc2136", {"server": "ns", name: 6.0}, "")
    with pytest.raises(Misconfigured, match=f"{name}.*at most 6, half of"):
        registry.for_backend("rfc2136", {"server": "ns", name: 6.1}, "")
    settings.DNSORCH_LEASE_S = 3
    with pytest.raises(Misconfigured, match="'timeout_s' is 5 seconds|connect_timeout"):
        registry.for_backend("rfc2136", {"server": "ns"}, "")


def test_the_registry_knows_the_drivers_of_the_settings(settings: Any) -> None:
    settings.DNSORCH_PROVIDERS = {
        "rfc2136": "dns_records.providers.rfc2136.Rfc2136Provider",
        "typo": "dns_records.providers.rfc2136.Typo",
        "other": "dns_records.providers.base.Fence",
    }
    options = {"server": "ns", "key_name": "key."}
    found = registry.for_backend("rfc2136", options, "env:NOT_READ_YET")

    assert type(found) is Rfc2136Provider
    for driver, said in [
        ("memory", "there are: other, rfc2136, typo"),
        ("typo", "Typo"),
        ("other", "is no Provider"),
    ]:
        with pytest.raises(Misconfigured, match=said):
            registry.for_backend(driver, {}, "")


def test_kinds_are_the_five() -> None:
    def subclasses(cls: type[ProviderError]) -> set[type[ProviderError]]:
        return {cls}.union(*(subclasses(sub) for sub in cls.__subclasses__()))

    kinds = {error.kind for error in subclasses(ProviderError) - {ProviderError}}
    assert kinds == {"permanent", "retryable", "unknown", "fenced", "misconfigured"}
