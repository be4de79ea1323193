"""TSIG: keys from text, signed requests, and errors in the form of RFC 8945."""

from __future__ import annotations

import time
from typing import cast

import dns.message
import dns.rcode
import dns.rdtypes.ANY.TSIG
import dns.tsig
import pytest

from dnsorch.embedded.nameserver import tsig
from dnsorch.embedded.nameserver.errors import BadKeyText
from dnsorch.embedded.tests.nameserver_helpers import KEY, Server, update_message

SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.mark.parametrize(
    "text",
    [
        f"tests:hmac-sha256:{SECRET}",
        f"tests.:HMAC-SHA256:{SECRET}\n",
        f'key "tests" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n',
        f"key tests. {{ algorithm hmac-sha256; secret {SECRET}; }};",
    ],
)
def test_key(text: str) -> None:
    """A key clause or one line: the same key."""
    assert tsig.key(text) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tests",
        f"tests:{SECRET}",
        f"tests:hmac-sha257:{SECRET}",
        f"tests:gss-tsig:{SECRET}",
        "tests:hmac-sha256:hunter2!",
        f"tests..x:hmac-sha256:{SECRET}",
        f'key "tests" {{ secret "{SECRET}"; }};',
    ],
)
def test_bad_key(text: str) -> None:
    """Anything else is refused without a word of the secret."""
    with pytest.raises(BadKeyText) as error:
        tsig.key(text)
    assert SECRET not in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("algorithm", ["hmac-sha1", "hmac-sha256-128", "hmac-sha512"])
def test_signed_update(algorithm: str) -> None:
    """A good signature is accepted, answered with one, and the log names the key."""
    key = dns.tsig.Key("k.", SECRET, algorithm)
    server = Server(keys=[key])
    response = server.ask(update_message("del www", key=key))
    assert response.rcode() == dns.rcode.NOERROR
    assert response.had_tsig
    assert server.updates[0].key == "k."


def test_several_keys() -> None:
    """Each of the keys is good for UPDATE."""
    other = dns.tsig.Key("other.", "AAAA")
    server = Server(keys=[KEY, other])
    for key, line in ((KEY, "del www"), (other, "del alias")):
        assert server.ask(update_message(line, key=key)).rcode() == dns.rcode.NOERROR
    assert [update.key for update in server.updates] == ["tests.", "other."]


def test_unsigned_update() -> None:
    """With a key configured an unsigned UPDATE is REFUSED; a query is answered."""
    server = Server(keys=[KEY])
    assert server.update("del www") == "REFUSED"
    assert server.updates == []
    assert len(server.query("www", "A").answer) == 1


@pytest.mark.parametrize(
    "key, error",
    [
        (dns.tsig.Key("tests.", "AAAA"), dns.tsig.PeerBadSignature),
        (dns.tsig.Key("nobody.", SECRET), dns.tsig.PeerBadKey),
        (dns.tsig.Key("tests.", SECRET, "hmac-sha512"), dns.tsig.PeerBadKey),
    ],
)
@pytest.mark.parametrize("query", [False, True])
def test_bad_signature(key: dns.tsig.Key, error: type[Exception], query: bool) -> None:
    """A wrong secret is BADSIG, a wrong key BADKEY: NOTAUTH, unsigned, no change."""
    server = Server(keys=[KEY])
    request: dns.message.Message = update_message("del www", key=key)
    if query:
        request = dns.message.make_query("www.example.test.", "A")
        request.use_tsig(key)
    with pytest.raises(error):
        server.ask(request)
    (wire,) = server.send(request.to_wire())
    response = dns.message.from_wire(wire, keyring=False)
    assert response.rcode() == dns.rcode.NOTAUTH
    assert response.mac == b""
    assert response.keyname == key.name
    assert response.answer == []
    assert server.updates == []


def test_no_key_configured() -> None:
    """A server without keys knows none: BADKEY, not silence."""
    with pytest.raises(dns.tsig.PeerBadKey):
        Server().ask(update_message("del www", key=KEY))


@pytest.mark.parametrize("skew", [-400, 400])
def test_bad_time(skew: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock off by more than the fudge is BADTIME, signed, with the server's time."""
    server = Server(keys=[KEY])
    request = update_message("del www", key=KEY)
    now = int(time.time())
    monkeypatch.setattr(time, "time", lambda: now + skew)
    wire = request.to_wire()
    monkeypatch.setattr(time, "time", lambda: now)
    (answer,) = server.send(wire)
    response = dns.message.from_wire(answer, keyring=False)
    assert response.tsig is not None
    rdata = cast(dns.rdtypes.ANY.TSIG.TSIG, response.tsig[0])
    assert response.rcode() == dns.rcode.NOTAUTH
    assert (rdata.error, rdata.time_signed) == (dns.rcode.BADTIME, now + skew)
    assert int.from_bytes(rdata.other, "big") == now
    unsigned = dns.message.from_wire(answer, keyring=False)
    unsigned.tsig = None
    resigned, _ = dns.tsig.sign(  # type: ignore[no-untyped-call]
        unsigned.to_wire(), KEY, rdata, rdata.time_signed, request.mac
    )
    assert rdata.mac == resigned.mac
    assert server.updates == []
