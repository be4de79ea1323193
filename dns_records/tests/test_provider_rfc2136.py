"""The RFC 2136 provider: the exact messages, and every way an answer can go wrong."""

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
from dns_records.providers.base import Fence, RRsetChange
from dns_records.providers.errors import (
    Fenced,
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.rfc2136 import Rfc2136Provider
from dns_records.tests.scripted import CLOSE, Scripted, answer_to, scripted
from dnsorch.embedded import nameserver
from dnsorch.exceptions import SecretUnavailable

ZONE = "example.test."
WWW = RRsetChange("www.example.test.", "A", 300, ("192.0.2.1", "192.0.2.2"))
STEP = Fence("v1 3 41", "v1 3 42")
OLD, NEW = b"o" * 32, b"n" * 32


class Secret:
    """A secret whose cached value differs from what its source has by now."""

    def __init__(self, cached: bytes, source: bytes | None = None) -> None:
        self.cached, self.source = cached, source or cached
        self.reads: list[bool] = []

    def __call__(self, *, fresh: bool = False) -> str:
        self.reads.append(fresh)
        return base64.b64encode(self.source if fresh else self.cached).decode()


def key(secret: bytes, name: str = "dnsorch.") -> dns.tsig.Key:
    """Return a key of the default algorithm."""
    return dns.tsig.Key(name, secret)


def provider(
    server: Scripted | nameserver.Running, secret: Secret | None = None, **options: Any
) -> Rfc2136Provider:
    """Return a provider for a server, signing if there is a secret."""
    given = {"server": "127.0.0.1", "port": server.port, "timeout_s": 5.0, **options}
    if secret is not None:
        given["key_name"] = "dnsorch."
    return Rfc2136Provider(given, secret)


@pytest.fixture(autouse=True)
def no_connection_is_left() -> Iterator[None]:
    """Close what the test's thread keeps."""
    yield
    exchange.close_kept()


def sections(wire: bytes) -> list[list[str]]:
    """Return the four sections as lines (RFC 2136 section 2: class ANY, NONE)."""
    message = dns.message.from_wire(wire, keyring=False)
    assert isinstance(message, dns.update.UpdateMessage)
    return [
        [line for rrset in section for line in rrset.to_text().splitlines()]
        for section in message.sections
    ]


def answering(rcode: dns.rcode.Rcode, **options: Any) -> Any:
    """Return a script that always gives this rcode."""
    return lambda wire: answer_to(wire, rcode, **options)


# --- the exact messages ------------------------------------------------------------


def test_apply_sends_exactly_this_message() -> None:
    changes = [
        WWW,
        RRsetChange("alias.example.test.", "CNAME", 60, ("www.example.test.",)),
        RRsetChange("old.example.test.", "A", 0, ()),
        RRsetChange("*.example.test.", "TXT", 5, ('"a b" "c"',)),
        RRsetChange("alias.example.test.", "AAAA", 0, ()),
    ]
    with scripted(answer_to) as server:
        receipt = provider(server).apply(ZONE, changes, fence=STEP)

    assert len(server.messages) == 1
    assert sections(server.messages[0]) == [
        ["example.test. IN SOA"],
        ['_dnsorch.example.test. 0 IN TXT "v1 3 41"'],
        [
            "_dnsorch.example.test. ANY TXT",
            '_dnsorch.example.test. 0 IN TXT "v1 3 42"',
            "old.example.test. ANY A",
            "alias.example.test. ANY AAAA",
            "www.example.test. ANY A",
            "www.example.test. 300 IN A 192.0.2.1",
            "www.example.test. 300 IN A 192.0.2.2",
            "alias.example.test. ANY CNAME",
            "alias.example.test. 60 IN CNAME www.example.test.",
            "*.example.test. ANY TXT",
            '*.example.test. 5 IN TXT "a b" "c"',
        ],
        [],
    ]
    assert receipt.rcode == "NOERROR"
    assert receipt.octets == len(server.messages[0])


def test_the_first_marker_requires_a_free_name() -> None:
    with scripted(answer_to) as server:
        provider(server).apply(ZONE, [], fence=Fence(None, "v1 1 1"))

    assert sections(server.messages[0]) == [
        ["example.test. IN SOA"],
        ["_dnsorch.example.test. NONE ANY"],
        [
            "_dnsorch.example.test. ANY TXT",
            '_dnsorch.example.test. 0 IN TXT "v1 1 1"',
        ],
        [],
    ]


def test_probe_sends_prerequisites_and_no_update() -> None:
    gone = RRsetChange("old.example.test.", "CNAME", 0, ())
    with scripted(answer_to) as server:
        assert provider(server).probe(ZONE, [WWW, gone])

    assert [sections(message) for message in server.messages] == [
        [
            ["example.test. IN SOA"],
            [
                "www.example.test. 0 IN A 192.0.2.1",
                "www.example.test. 0 IN A 192.0.2.2",
                "old.example.test. NONE CNAME",
            ],
            [],
            [],
        ]
    ]


def test_check_permission_deletes_one_record_that_is_never_there() -> None:
    with scripted(answer_to) as server:
        provider(server).check_permission(ZONE)

    assert [sections(message) for message in server.messages] == [
        [
            ["example.test. IN SOA"],
            [],
            ['_dnsorch.example.test. 0 NONE TXT "dnsorch permission check"'],
            [],
        ]
    ]


def test_apex_name_servers_are_added_before_the_old_ones_go() -> None:
    def serve(wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        if isinstance(query, dns.update.UpdateMessage):
            return answer_to(wire)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        names = ["ns1.example.test.", "ns2.example.test."]
        answer.answer = [dns.rrset.from_text_list(ZONE, 600, "IN", "NS", names)]
        return answer.to_wire()

    image = RRsetChange(ZONE, "NS", 60, ("ns2.example.test.", "ns3.example.test."))
    with scripted(serve) as server:
        provider(server).apply(ZONE, [image])

    question, update = server.messages
    assert dns.message.from_wire(question).question[0].to_text() == f"{ZONE} IN NS"
    assert sections(update)[1:] == [
        [],
        [
            "example.test. 60 IN NS ns2.example.test.",
            "example.test. 60 IN NS ns3.example.test.",
            "example.test. 0 NONE NS ns1.example.test.",
        ],
        [],
    ]


def test_a_signed_message_carries_one_good_tsig() -> None:
    with scripted(lambda wire: answer_to(wire, key=key(OLD))) as server:
        provider(server, Secret(OLD)).apply(ZONE, [WWW], fence=STEP)

    (message,) = server.messages
    signed = dns.message.from_wire(message, keyring=key(OLD))
    assert signed.had_tsig and signed.keyname == dns.name.from_text("dnsorch.")
    with pytest.raises(dns.tsig.BadSignature):
        dns.message.from_wire(message, keyring=key(NEW))


def test_the_size_is_an_upper_bound_not_far_off() -> None:
    changes = [
        RRsetChange(f"host-{n}.example.test.", "A", 300, (f"192.0.2.{n % 256}",))
        for n in range(1000)
    ]
    with scripted(lambda wire: answer_to(wire, key=key(OLD))) as server:
        patient = provider(server, Secret(OLD))
        receipt = patient.apply(ZONE, changes, fence=STEP)
        bound = patient.message_octets(ZONE, changes)

    assert receipt.octets <= bound <= 65_535
    assert len(
        dns.message.from_wire(server.messages[0], keyring=False).sections[2]
    ) == (2002)


# --- answers -----------------------------------------------------------------------

RCODES = [
    (dns.rcode.FORMERR, PermanentRefusal, "permanent"),
    (dns.rcode.REFUSED, PermanentRefusal, "permanent"),
    (dns.rcode.NOTZONE, PermanentRefusal, "permanent"),
    (dns.rcode.NOTAUTH, Misconfigured, "misconfigured"),
    (dns.rcode.NOTIMP, Misconfigured, "misconfigured"),
    (dns.rcode.SERVFAIL, OutcomeUnknown, "unknown"),
    (dns.rcode.BADVERS, OutcomeUnknown, "unknown"),
    (dns.rcode.YXDOMAIN, Fenced, "fenced"),
    (dns.rcode.YXRRSET, Fenced, "fenced"),
    (dns.rcode.NXRRSET, Fenced, "fenced"),
    (dns.rcode.NXDOMAIN, Fenced, "fenced"),
]


@pytest.mark.parametrize(("rcode", "error", "kind"), RCODES)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_an_rcode_becomes_a_kind(
    rcode: dns.rcode.Rcode, error: type[ProviderError], kind: str, signed: bool
) -> None:
    secret = Secret(OLD) if signed else None
    script = answering(rcode, key=key(OLD) if signed else None)
    with scripted(script) as server, pytest.raises(ProviderError) as failure:
        provider(server, secret).apply(ZONE, [WWW], fence=STEP)

    assert type(failure.value) is error
    assert (failure.value.kind, failure.value.rcode) == (kind, dns.rcode.to_text(rcode))
    assert getattr(failure.value, "answered", True) is True
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        (dns.rcode.NOERROR, True),
        (dns.rcode.NXRRSET, False),
        (dns.rcode.YXRRSET, False),
        (dns.rcode.NXDOMAIN, False),
        (dns.rcode.YXDOMAIN, False),
        (dns.rcode.REFUSED, PermanentRefusal),
        (dns.rcode.NOTAUTH, Misconfigured),
        (dns.rcode.SERVFAIL, OutcomeUnknown),
    ],
)
def test_an_rcode_decides_a_probe(rcode: dns.rcode.Rcode, outcome: Any) -> None:
    with scripted(answering(rcode)) as server:
        if isinstance(outcome, bool):
            assert provider(server).probe(ZONE, [WWW]) is outcome
        else:
            with pytest.raises(outcome):
                provider(server).probe(ZONE, [WWW])


@pytest.mark.parametrize(
    ("rcode", "error"),
    [
        (dns.rcode.NOERROR, OutcomeUnknown),
        (dns.rcode.SERVFAIL, OutcomeUnknown),
        (dns.rcode.NXRRSET, OutcomeUnknown),
        (dns.rcode.NOTAUTH, KeyRefused),
        (dns.rcode.REFUSED, KeyRefused),
        (dns.rcode.FORMERR, PermanentRefusal),
        (dns.rcode.NOTIMP, Misconfigured),
    ],
)
def test_an_unsigned_answer_to_a_signed_message(
    rcode: dns.rcode.Rcode, error: type[ProviderError]
) -> None:
    def script(wire: bytes) -> bytes:
        return (
            dns.message.make_response(
                dns.message.from_wire(wire, keyring=False)
            ).to_wire()[:3]
            + bytes([0x00 | rcode])
            + b"\0" * 8
        )

    with scripted(script) as server, pytest.raises(error) as failure:
        provider(server, Secret(OLD)).apply(ZONE, [WWW], fence=STEP)

    assert type(failure.value) is error
    assert len(server.messages) == 1


def other_id(wire: bytes) -> bytes:
    """Return an answer to a message that was not sent."""
    answer = bytearray(answer_to(wire))
    answer[0] ^= 1
    return bytes(answer)


def other_zone(wire: bytes) -> bytes:
    """Return an answer about another zone."""
    update = updates.new("example.net.")
    update.id = int.from_bytes(wire[:2], "big")
    return answer_to(update.to_wire())


def a_query(wire: bytes) -> bytes:
    """Return the message itself: no answer bit."""
    return wire


def of_a_query(wire: bytes) -> bytes:
    """Return an answer with the opcode of a query."""
    return wire[:2] + bytes([0x80, 0]) + b"\0" * 8


def garbage(wire: bytes) -> bytes:
    """Return the right id and then noise."""
    return wire[:2] + b"\xff" * 40


def short(wire: bytes) -> bytes:
    """Return half of a header."""
    return wire[:6]


def nothing(wire: bytes) -> list[bytes]:
    """Return a message of no octets."""
    return [b""]


def signed_by_nobody_we_know(wire: bytes) -> bytes:
    """Return an answer signed with a key that we do not have."""
    update = updates.new(ZONE)
    update.id = int.from_bytes(wire[:2], "big")
    update.use_tsig(key(NEW, "stranger."))
    return answer_to(update.to_wire(), key=key(NEW, "stranger."))


@pytest.mark.parametrize(
    "script",
    [
        other_id,
        other_zone,
        a_query,
        of_a_query,
        garbage,
        short,
        nothing,
        signed_by_nobody_we_know,
    ],
)
def test_an_answer_that_is_none_leaves_the_outcome_unknown(script: Any) -> None:
    with scripted(script) as server, pytest.raises(OutcomeUnknown) as unknown:
        provider(server).apply(ZONE, [WWW])

    assert unknown.value.answered is True
    assert len(server.messages) == 1


def test_an_answer_with_a_wrong_signature_leaves_the_outcome_unknown() -> None:
    def script(wire: bytes) -> bytes:
        answer = bytearray(answer_to(wire, key=key(OLD)))
        answer[3] ^= dns.rcode.REFUSED
        return bytes(answer)

    with scripted(script) as server, pytest.raises(OutcomeUnknown) as unknown:
        provider(server, Secret(OLD)).apply(ZONE, [WWW])

    assert unknown.value.answered is True


def test_silence_leaves_the_outcome_unknown() -> None:
    with scripted(lambda wire: None) as server:
        with pytest.raises(OutcomeUnknown) as unknown:
            provider(server, timeout_s=0.1).apply(ZONE, [WWW])

    assert (unknown.value.answered, unknown.value.rcode) == (False, None)


def test_a_connection_closed_after_the_message_leaves_the_outcome_unknown() -> None:
    with scripted(lambda wire: CLOSE) as server:
        with pytest.raises(OutcomeUnknown) as unknown:
            provider(server).apply(ZONE, [WWW])

    assert unknown.value.answered is False
    assert len(server.messages) == 1


@pytest.mark.parametrize("action", ["probe", "check_permission", "read_marker"])
@pytest.mark.parametrize("script", [CLOSE, None, b"\0" * 12], ids=repr)
def test_asking_has_no_unknown_outcome(action: str, script: bytes | None) -> None:
    arguments = (ZONE, [WWW]) if action == "probe" else (ZONE,)
    with scripted(lambda wire: script) as server:
        with pytest.raises(Unreachable):
            getattr(provider(server, timeout_s=0.1), action)(*arguments)


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
