"""All that is taken is written to real name servers, and comes back the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from deploy.services.ports import Ports
from dns_records import rdata, record_types
from dns_records.providers.base import Provider, RRsetChange
from dns_records.providers.errors import PermanentRefusal, ProviderError
from dns_records.tests import vectors
from dns_records.tests.provider_daemons import KINDS, Daemons
from dns_records.tests.provider_services import ZONE, Service, on_the_wire, rr
from dns_records.tests.signing_daemon import OF_KEYS, SigningBind, SigningPrimary
from dnsorch.tests import real

needs_servers = pytest.mark.skipif(not real.WANTED, reason="needs the real services")

#: What a server does not take of what dnsorch takes, with its own words.
REFUSALS: dict[str, dict[tuple[str, str], str]] = {
    "bind": {},
    # It writes none by DNS UPDATE; the API does.
    "powerdns-update": {
        ("TYPE65280", text): "the server answered FORMERR"
        for text in vectors.canonical("TYPE65280")
    },
    # More than 2^31 cm above its base is negative to it.
    "powerdns-api": {
        ("LOC", "52 0 0.000 N 4 0 0.000 E 21474836.47m"): "Not in expected format"
    },
}


# What a server takes and serves otherwise: verification finds it.
NO_VALUE = {("v9.caa.example.test.", "CAA"): {r'0 issue "\000"'}}
SERVED_OTHERWISE: dict[str, dict[tuple[str, str], set[str] | None]] = {
    "bind": {},
    # Keys are its own affair unless direct-dnskey is set.
    "powerdns-update": {**NO_VALUE, **{(ZONE, rtype): None for rtype in OF_KEYS}},
    "powerdns-api": {},
}


def messages(rtype: str, texts: Sequence[str]) -> list[list[RRsetChange]]:
    """Return a message that writes each value at a name of its own."""
    if not record_types.lookup(rtype).below_apex:
        return [[rr("@", rtype, *texts)]]
    owners = [f"v{number}.{rtype.lower()}" for number in range(len(texts))]
    changes = [rr(*each) for each in zip(owners, [rtype] * len(texts), texts)]
    if rtype == "DS":  # BIND drops it where there is no delegation
        changes += [rr(owner, "NS", "ns1.example.net.") for owner in owners]
    return [changes]


def write(
    service: Service, changes: list[RRsetChange], held: dict[tuple[str, str], set[str]]
) -> dict[tuple[str, str], str]:
    """Write a message, piece by piece if it is refused; return who refused what."""
    try:
        service.provider.apply(ZONE, changes)
    except ProviderError as error:
        if len(changes) == 1 and len(changes[0].records) == 1:
            (only,) = changes
            return {(only.type, only.records[0]): error.detail}
        refused: dict[tuple[str, str], str] = {}
        if len(changes) > 1:
            for change in changes:
                refused |= write(service, [change], held)
            return refused
        (only,) = changes
        for text in only.records:
            part = RRsetChange(only.name, only.type, only.ttl, (text,))
            refused |= write(service, [part], held)
        return refused
    for change in changes:
        held[change.name, change.type] = set(change.records)
    return {}


def served(provider: Provider) -> dict[tuple[str, str], set[str]]:
    """Return what the server transfers."""
    found: dict[tuple[str, str], set[str]] = {}
    for part in provider.read_zone(ZONE):
        found.setdefault((part.name, part.type), set()).update(part.records)
    return found


@pytest.mark.embedded
def test_the_development_name_server_serves_all_of_them() -> None:
    with on_the_wire() as service:
        wanted: dict[tuple[str, str], set[str]] = {}
        for rtype in vectors.TYPES:
            for message in messages(rtype, vectors.canonical(rtype)):
                assert write(service, message, wanted) == {}
        found = served(service.provider)
    assert {key: found.get(key) for key in wanted} == wanted


@needs_servers
@pytest.mark.parametrize("kind", KINDS)
def test_every_value_comes_back_the_same(daemons: Daemons, kind: str) -> None:
    service = daemons.server(kind)
    wanted: dict[tuple[str, str], set[str]] = {}
    refused: dict[tuple[str, str], str] = {}
    for rtype in vectors.TYPES:
        if rtype in OF_KEYS and kind != "powerdns-update":
            continue  # BIND has a test of its own, the API's driver does without
        for message in messages(rtype, vectors.canonical(rtype)):
            refused |= write(service, message, wanted)

    assert refused.keys() == REFUSALS[kind].keys()
    assert all(words in refused[key] for key, words in REFUSALS[kind].items())
    found = served(daemons.transfers(kind))
    other = {key: found.get(key) for key in wanted if found.get(key) != wanted[key]}
    assert other == SERVED_OTHERWISE[kind]


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningBind]:
    """A BIND that signs."""
    root = tmp_path_factory.mktemp("signing")
    daemon = SigningPrimary(root, Ports(root / "ports.json"))
    daemon.up()
    try:
        yield SigningBind(daemon)
    finally:
        daemon.down()


@needs_servers
@pytest.mark.parametrize("rtype", OF_KEYS)
def test_bind_serves_keys_where_it_signs(signing: SigningBind, rtype: str) -> None:
    for changes in signing.messages(rtype, vectors.canonical(rtype)):
        signing.provider.apply(ZONE, changes)
        image = changes[-1]
        shown = served(signing.provider)[image.name, image.type]
        assert shown == {
            rdata.parse(rtype, text, zone=ZONE).text for text in image.records
        }


@needs_servers
@pytest.mark.parametrize(
    ("rtype", "text", "rcode"),
    [
        ("CDS", f"1 13 2 {'aa' * 32}", "REFUSED"),
        ("CDNSKEY", record_types.lookup("CDNSKEY").example, "REFUSED"),
        # alg.example. and a key, and a key alone.
        ("CDNSKEY", "256 3 253 A2FsZwdleGFtcGxlAGtleQ==", "REFUSED"),
        ("CDNSKEY", "256 3 253 QUFBQUFBQUFBQUFBQUFBQUFBQUE=", "FORMERR"),
    ],
)
def test_bind_refuses_what_belongs_to_no_key(
    daemons: Daemons, rtype: str, text: str, rcode: str
) -> None:
    with pytest.raises(PermanentRefusal) as refusal:
        daemons.server("bind").provider.apply(ZONE, [rr("@", rtype, text)])
    assert refusal.value.rcode == rcode
