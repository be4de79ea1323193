"""The forms that the API of PowerDNS wants, as the real one was seen to."""

from __future__ import annotations

import pytest

from dns_records.providers.powerdns_content import content

pytestmark = pytest.mark.embedded

LOC = "10.00m 1.00m 10000.00m 10.00m"


@pytest.mark.parametrize(
    ("rtype", "text", "wanted"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("CERT", "PKIX 0 RSASHA256 AQID", "1 0 8 AQID"),
        ("LOC", "1 2 3.000 N 4 5 6.000 E 10.00m", f"1 2 3.000 N 4 5 6.000 E {LOC}"),
        ("LOC", "0 0 0.000 N 0 0 0.000 E 10.00m", f"0 0 0.000 S 0 0 0.000 W {LOC}"),
        ("SVCB", "0 a.", "0 a."),
        ("HTTPS", '1 . alpn="h3,h2" port="53"', "1 . alpn=h3,h2 port=53"),
        ("SVCB", '1 . alpn="a b"', '1 . alpn="a b"'),
        ("SVCB", '1 . alpn="h2" no-default-alpn', "1 . alpn=h2 no-default-alpn"),
        ("SVCB", '1 . mandatory="port" port="1"', "1 . mandatory=port port=1"),
        ("SVCB", '1 . ipv6hint="::1"', "1 . ipv6hint=::1"),
        ("SVCB", '1 . ech="AATmDQAA"', '1 . ech="AATmDQAA"'),
        ("SVCB", '1 . dohpath="/q{?dns}"', '1 . key7="/q{?dns}"'),
        ("SVCB", '1 . ohttp key667="x"', '1 . key8="" key667="x"'),
        ("TYPE65280", r"\# 0", r"\# 0 "),
        ("TYPE65280", r"\# 1 00", r"\# 1 00"),
    ],
)
def test_content(rtype: str, text: str, wanted: str) -> None:
    assert content(rtype, text) == wanted
