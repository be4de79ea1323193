"""The types about services: mail, service location, text."""

from __future__ import annotations

from dns_records.record_types.base import RecordType

_SVCB_EXPECTED = (
    "a priority from 0 to 65535, a name that ends in a dot ('.' for the owner itself),"
    " and unless the priority is 0, parameters as key=value"
)

ROWS = (
    RecordType(
        name="AFSDB",
        number=18,
        reason="the hosts of an AFS cell",
        reference="RFC 1183 section 1",
        expected="a subtype from 0 to 65535 and a host name that ends in a dot",
        example="1 afs.example.test.",
        hosts=("exchange",),  # dnspython reads it as it reads MX
    ),
    RecordType(
        name="HTTPS",
        number=65,
        reason="how and where a web site is reached",
        reference="RFC 9460 section 9",
        expected=_SVCB_EXPECTED,
        example='1 . alpn="h3,h2" ipv4hint="192.0.2.1"',
        domains=("target",),
        parameters=True,
    ),
    RecordType(
        name="KX",
        number=36,
        reason="the hosts that exchange keys for the name",
        reference="RFC 2230",
        expected="a preference from 0 to 65535 and a host name that ends in a dot",
        example="10 kx.example.test.",
        hosts=("exchange",),
    ),
    RecordType(
        name="MX",
        number=15,
        reason="the hosts that take mail for the name",
        reference="RFC 1035 section 3.3.9",
        expected="a preference from 0 to 65535 and a host name that ends in a dot",
        example="10 mail.example.test.",
        host_owner=True,
        hosts=("exchange",),
        null_target=True,
    ),
    RecordType(
        name="NAPTR",
        number=35,
        reason="rules that rewrite a name into a service: ENUM, SIP, S-NAPTR",
        reference="RFC 3403 section 4",
        expected="order and preference from 0 to 65535, flags, services and an"
        " expression, each quoted, and a name that ends in a dot",
        example='100 10 "s" "SIP+D2U" "" _sip._udp.example.test.',
        domains=("replacement",),
    ),
    RecordType(
        name="SPF",
        number=99,
        reason="the mail policy of a name, as it was published before 2014",
        reference="RFC 4408 section 3.1.1",
        expected="one bare text, or one or more strings in double quotes",
        example='"v=spf1 -all"',
        strings=True,
        obsolete="no receiver reads it (RFC 7208 section 3.1); use TXT",
    ),
    RecordType(
        name="SRV",
        number=33,
        reason="the hosts and ports of a service",
        reference="RFC 2782",
        expected="priority, weight and port, each from 0 to 65535, and a host name"
        " that ends in a dot",
        example="10 5 5060 sip.example.test.",
        hosts=("target",),
        null_target=True,
    ),
    RecordType(
        name="SVCB",
        number=64,
        reason="how and where a service is reached",
        reference="RFC 9460",
        expected=_SVCB_EXPECTED,
        example='1 svc.example.test. alpn="dot" port="8853"',
        domains=("target",),
        parameters=True,
    ),
    RecordType(
        name="TXT",
        number=16,
        reason="text: SPF, DKIM, domain verification, ACME challenges",
        reference="RFC 1035 section 3.3.14",
        expected="one bare text, or one or more strings in double quotes",
        example='"v=spf1 -all"',
        strings=True,
    ),
    RecordType(
        name="URI",
        number=256,
        reason="the URI of a service",
        reference="RFC 7553",
        expected="priority and weight, each from 0 to 65535, and a URI in quotes",
        example='10 1 "https://www.example.test/path"',
    ),
)
