"""The types about keys and certificates, and what DNSSEC asks people to publish."""

from __future__ import annotations

from dns_records.record_types.base import RecordType

_SHA256 = "a3f1" * 16
_ED25519 = "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="
_KEY = (
    "flags 256 or 257 (0 in a CDNSKEY that takes keys back), protocol 3, an algorithm"
    " and a key in base64"
)
_DS = "a key tag, an algorithm, a digest type and a digest in hex"

ROWS = (
    RecordType(
        name="CAA",
        number=257,
        reason="the authorities that may issue certificates for the name",
        reference="RFC 8659 section 4.1",
        expected="flags from 0 to 255, a tag and a quoted value",
        example='0 issue "ca.example.net"',
    ),
    RecordType(
        name="CDNSKEY",
        number=60,
        reason="the keys that the parent shall make DS records of",
        reference="RFC 7344 section 3.2",
        expected=_KEY,
        example=f"257 3 15 {_ED25519}",
        below_apex=False,
        binary="base64",
    ),
    RecordType(
        name="CDS",
        number=59,
        reason="the DS records that the parent shall publish",
        reference="RFC 7344 section 3.1",
        expected=_DS,
        example=f"3613 15 2 {_SHA256}",
        below_apex=False,
        binary="hex",
    ),
    RecordType(
        name="CERT",
        number=37,
        reason="a certificate or a revocation list",
        reference="RFC 4398",
        expected="a certificate type, a key tag, an algorithm and data in base64",
        example="PKIX 0 0 MIIBIjANBgkq",
        binary="base64",
    ),
    RecordType(
        name="CSYNC",
        number=62,
        reason="which records of a delegation the parent shall copy",
        reference="RFC 7477",
        expected="an SOA serial, flags from 0 to 3 and record types",
        example="66 3 A NS AAAA",
        below_apex=False,
    ),
    RecordType(
        name="DNSKEY",
        number=48,
        reason="a zone key of another signer of the zone (RFC 8901)",
        reference="RFC 4034 section 2",
        expected=_KEY,
        example=f"256 3 15 {_ED25519}",
        below_apex=False,
        binary="base64",
    ),
    RecordType(
        name="DS",
        number=43,
        reason="the key that signs a delegated zone",
        reference="RFC 4034 section 5",
        expected=_DS,
        example=f"3613 15 2 {_SHA256}",
        at_apex=False,  # it is the parent's (RFC 4034 section 5)
        at_delegation=True,
        binary="hex",
    ),
    RecordType(
        name="OPENPGPKEY",
        number=61,
        reason="the OpenPGP key of a mail address",
        reference="RFC 7929 section 2",
        expected="a key in base64",
        example="mDMEXEcE6RYJKwYB",
        binary="base64",
    ),
    RecordType(
        name="SMIMEA",
        number=53,
        reason="the S/MIME certificate of a mail address",
        reference="RFC 8162 section 2",
        expected="usage, selector and matching type from 0 to 255, and data in hex",
        example=f"3 1 1 {_SHA256}",
        binary="hex",
    ),
    RecordType(
        name="SSHFP",
        number=44,
        reason="the fingerprint of a host's SSH key",
        reference="RFC 4255 section 3.1",
        expected="an algorithm, a fingerprint type and a fingerprint in hex",
        example=f"4 2 {_SHA256}",
        host_owner=True,
        binary="hex",
    ),
    RecordType(
        name="TLSA",
        number=52,
        reason="the certificate of a TLS service (DANE)",
        reference="RFC 6698 section 2",
        expected="usage, selector and matching type from 0 to 255, and data in hex",
        example=f"3 1 1 {_SHA256}",
        binary="hex",
    ),
    RecordType(
        name="ZONEMD",
        number=63,
        reason="the digest of a whole zone",
        reference="RFC 8976 section 2",
        expected="the SOA serial, a scheme, a hash algorithm and a digest in hex",
        example=f"2026112601 1 1 {'5b' * 48}",
        below_apex=False,
        binary="hex",
    ),
)
