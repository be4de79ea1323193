"""Rules about keys and digests: DNSSEC, DANE, SSH.

The length of a digest of a known kind is a matter of syntax: dnspython refuses others.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.exception
import dns.name
import dns.rdata
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.CERT import CERT
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.SSHFP import SSHFP
from dns.rdtypes.ANY.ZONEMD import ZONEMD
from dns.rdtypes.dnskeybase import DNSKEYBase
from dns.rdtypes.dsbase import DSBase
from dns.rdtypes.tlsabase import TLSABase

from dns_records.validation.base import Context, Family, Problem, error, warning
from dns_records.validation.records import Record
from dns_records.validation.rrsets import RRset

FAMILY: Family[Record] = Family("record")
RRSET_FAMILY: Family[RRset] = Family("rrset")

_ZONE_KEY = 0x100
_DELETE = {"CDS": "0 0 0 00", "CDNSKEY": "0 3 0 AA=="}
_STRONG_DIGESTS = frozenset({2, 4})
_PRIVATE = 255  # RFC 7218 section 2
_CERT_RESERVED = frozenset({0, 255, 65_535})
_TLSA_KNOWN = {"usage": range(4), "selector": range(2), "mtype": range(3)}
_SSH_ALGORITHMS = frozenset({1, 2, 3, 4, 6})  # RFC 4255, 6594, 7479, 8709
_SSH_FINGERPRINTS = frozenset({1, 2})


def _is_delete(record: Record) -> bool:
    return record.rdata.text == _DELETE.get(record.type.name)


@FAMILY.rule("key-flags", "RFC 4034 section 2.1.1")
def key_flags(context: Context, record: Record) -> Iterator[Problem]:
    """A DNSKEY has the Zone Key flag, else it verifies nothing (RFC 4034 2.1.1)."""
    key = record.rdata.value
    if isinstance(key, DNSKEYBase) and not _is_delete(record):
        if not int(key.flags) & _ZONE_KEY:
            yield warning(
                "key_flags",
                f"The flags {int(key.flags)} lack the Zone Key bit (256), so nobody"
                " verifies signatures with this key.",
            )


@FAMILY.rule("delete-form", "RFC 8078 section 4")
def delete_form(context: Context, record: Record) -> Iterator[Problem]:
    """Algorithm 0 stands only in ``0 0 0 00`` and ``0 3 0 AA==`` (RFC 8078)."""
    value = record.rdata.value
    if not isinstance(value, DSBase | DNSKEYBase):
        return
    if int(value.algorithm) == 0 and not _is_delete(record):
        written = _DELETE.get(record.type.name)
        asks = f"; to have DS records deleted write '{written}'" if written else ""
        yield error("algorithm_reserved", f"The algorithm 0 is reserved{asks}.")


@FAMILY.rule("private-algorithm", "RFC 4034 appendix A.1.1")
def private_algorithm(context: Context, record: Record) -> Iterator[Problem]:
    """A key of a private algorithm begins with whose it is (RFC 4034 A.1.1).

    For 253 that is a name, without which BIND answers FORMERR; for 254 an object
    identifier, which BIND 9.18 does not look at.
    """
    key = record.rdata.value
    if not isinstance(key, DNSKEYBase):
        return
    if key.algorithm == Algorithm.PRIVATEDNS and not _begins_with_name(key.key):
        yield error(
            "private_algorithm",
            "A key of algorithm 253 begins with the name of the algorithm on the wire,"
            " in base64 as the rest.",
        )
    length = key.key[0] if key.key else 0
    if key.algorithm == Algorithm.PRIVATEOID and not 0 < length < len(key.key):
        yield warning(
            "private_algorithm",
            "A key of algorithm 254 begins with the length of an object identifier,"
            " and with that.",
        )


def _begins_with_name(octets: bytes) -> bool:
    try:
        dns.name.from_wire(octets, 0)
    except dns.exception.DNSException:
        return False
    return True


@FAMILY.rule("key-in-zone", "RFC 7344 section 4.1")
def key_in_zone(context: Context, record: Record) -> Iterator[Problem]:
    """CDS and CDNSKEY are of a DNSKEY of the zone (RFC 7344 section 4.1).

    BIND refuses others. A warning, since a server that signs has keys of its own.
    """
    if context.zone_keys is None or record.type.name not in _DELETE:
        return
    if not _is_delete(record) and not _is_of_key(record, context):
        yield warning(
            "key_not_in_zone",
            f"No DNSKEY of {context.zone} that dnsorch knows belongs to this"
            f" {record.type.name}; a name server refuses it unless it has the key.",
        )


def _is_of_key(record: Record, context: Context) -> bool:
    value = record.rdata.value
    keys = context.zone_keys or ()
    if not isinstance(value, DSBase):
        return record.rdata.text in keys
    return any(_is_digest(value, text, context.zone) for text in keys)


def _is_digest(ds: DSBase, text: str, zone: str) -> bool:
    """Say whether a CDS is made of a DNSKEY, as far as its kind of digest is known."""
    # It brings cryptography along, 8 MiB that few processes ever need.
    from dns import dnssec

    key = dns.rdata.from_text("IN", "DNSKEY", text)
    assert isinstance(key, DNSKEY)
    if (ds.key_tag, ds.algorithm) != (dnssec.key_id(key), key.algorithm):
        return False
    try:
        made = dnssec.make_ds(zone, key, ds.digest_type, validating=True)
    except dns.exception.DNSException:
        return True
    return made.digest == ds.digest


@RRSET_FAMILY.rule("delete-alone", "RFC 8078 section 4")
def delete_alone(context: Context, rrset: RRset) -> Iterator[Problem]:
    """A CDS or CDNSKEY that asks for deletion stands alone (RFC 8078 section 4).

    BIND refuses an UPDATE that leaves it beside others.
    """
    delete = _DELETE.get(rrset.type.name)
    if len(rrset.rdatas) > 1 and any(each.text == delete for each in rrset.rdatas):
        yield error(
            "delete_not_alone",
            f"{rrset} has '{delete}' (delete all DS records) beside others.",
        )


@FAMILY.rule("digest-type", "RFC 8624 section 3.3")
def digest_type(context: Context, record: Record) -> Iterator[Problem]:
    """The digest of a DS or CDS is SHA-256 or SHA-384 (RFC 8624 section 3.3)."""
    value = record.rdata.value
    if not isinstance(value, DSBase) or _is_delete(record):
        return
    if value.digest_type not in _STRONG_DIGESTS:
        yield warning(
            "digest_type",
            f"The digest type {value.digest_type} is not one for new records; those are"
            " 2 (SHA-256) and 4 (SHA-384).",
        )


@FAMILY.rule("cert-type", "RFC 4398 section 2.1")
def cert_type(context: Context, record: Record) -> Iterator[Problem]:
    """The certificate type of a CERT is not a reserved one (RFC 4398 section 2.1).

    An error, since PowerDNS does not take 0.
    """
    cert = record.rdata.value
    if isinstance(cert, CERT) and cert.certificate_type in _CERT_RESERVED:
        yield error(
            "cert_type_reserved",
            f"The certificate type {int(cert.certificate_type)} is reserved.",
        )


@FAMILY.rule("dane-values", "RFC 6698 section 2.1")
def dane_values(context: Context, record: Record) -> Iterator[Problem]:
    """Usage, selector and matching type of TLSA and SMIMEA are known (RFC 6698)."""
    value = record.rdata.value
    if not isinstance(value, TLSABase):
        return
    for field, known in _TLSA_KNOWN.items():
        number = getattr(value, field)
        if number not in known and number != _PRIVATE:
            what = "matching type" if field == "mtype" else field
            yield warning(
                "dane_values",
                f"The {what} {number} is unassigned; known are 0 to {known[-1]}.",
            )


@FAMILY.rule("ssh-values", "RFC 4255 section 3.1")
def ssh_values(context: Context, record: Record) -> Iterator[Problem]:
    """Algorithm and fingerprint type of an SSHFP record are assigned (RFC 4255)."""
    value = record.rdata.value
    if not isinstance(value, SSHFP):
        return
    if value.algorithm not in _SSH_ALGORITHMS:
        yield warning(
            "ssh_values", f"No SSH algorithm has the number {value.algorithm}."
        )
    if value.fp_type not in _SSH_FINGERPRINTS:
        yield warning(
            "ssh_values", f"No SSH fingerprint type has the number {value.fp_type}."
        )


@RRSET_FAMILY.rule("zonemd-once", "RFC 8976 section 2.2.4")
def zonemd_once(context: Context, rrset: RRset) -> Iterator[Problem]:
    """Each scheme and hash algorithm of ZONEMD occurs once (RFC 8976 section 2.2)."""
    seen: set[tuple[int, int]] = set()
    for rdata in rrset.rdatas:
        value = rdata.value
        if isinstance(value, ZONEMD):
            kind = (int(value.scheme), int(value.hash_algorithm))
            if kind in seen:
                yield warning(
                    "zonemd_repeated",
                    f"{rrset} has scheme {kind[0]} with hash {kind[1]} more than once;"
                    " nobody can verify the zone with it.",
                )
            seen.add(kind)
