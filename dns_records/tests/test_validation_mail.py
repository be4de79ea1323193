"""The rules about SPF, DMARC and DKIM, one line a case."""

from __future__ import annotations

import pytest

from dns_records import validation
from dns_records.tests.findings import CONTEXT, ZONE, brief, expected, parsed

DMARC = "_dmarc.example.test."
KEY = "mail._domainkey.example.test."
SYNTAX = ["spf-syntax warning spf_syntax"]
LOOKUPS = ["spf-lookups warning spf_lookups"]
BAD_DMARC = ["dmarc-syntax warning dmarc_syntax"]
BAD_DKIM = ["dkim-syntax warning dkim_syntax"]

RECORDS: list[tuple[str, str, list[str]]] = [
    # SPF, RFC 7208 section 5, and its modifiers of section 6.
    (ZONE, "v=spf1 -all", []),
    (ZONE, "v=spf1", []),
    (ZONE, "V=SPF1 MX ~ALL", []),
    (ZONE, "v=spf1  a  mx  -all", []),
    (ZONE, "v=spf1 +a:mail.test/24//64 ?mx/28 mx:a.test a//128 ptr ptr:a.test", []),
    (ZONE, "v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", []),
    (ZONE, "v=spf1 ip4:192.0.2.7/24 -all", []),
    (ZONE, "v=spf1 include:_spf.a.test exists:%{ir}.sbl.test -all", []),
    (ZONE, "v=spf1 redirect=_spf.a.test exp=why.a.test other=%{d}", []),
    (ZONE, "v=spf10 nonsense", []),
    (ZONE, "hello v=spf1 nonsense", []),
    (ZONE, "v=spf1 al", SYNTAX),
    (ZONE, "v=spf1 include: -all", SYNTAX),
    (ZONE, "v=spf1 include -all", SYNTAX),
    (ZONE, "v=spf1 ip4:192.0.2.256 -all", SYNTAX),
    (ZONE, "v=spf1 ip4:2001:db8::1 -all", SYNTAX),
    (ZONE, "v=spf1 ip6:192.0.2.1 -all", SYNTAX),
    (ZONE, "v=spf1 ip4 -all", SYNTAX),
    (ZONE, "v=spf1 a/33 -all", SYNTAX),
    (ZONE, "v=spf1 mx//129 -all", SYNTAX),
    (ZONE, "v=spf1 -all,", SYNTAX),
    (ZONE, "v=spf1 redirect= ", SYNTAX),
    (ZONE, "v=spf1 192.0.2.1 mail.test", SYNTAX * 2),
    (ZONE, "v=spf1" + " include:a.test" * 10, []),
    (ZONE, "v=spf1" + " include:a.test" * 11, LOOKUPS),
    (ZONE, "v=spf1" + " a" * 5 + " mx" * 5 + " redirect=a.test", LOOKUPS),
    (ZONE, "v=spf1" + " a" * 5 + " mx" * 5 + " ip4:192.0.2.1 exp=a.test all", []),
    (ZONE, "v=spf1" + " exists:a.test" * 5 + " ?ptr" * 6, LOOKUPS),
    # DMARC, RFC 7489 section 6.3.
    (DMARC, "v=DMARC1; p=none", []),
    (DMARC, "v=DMARC1; p=reject; rua=mailto:a@example.test; pct=100;", []),
    (DMARC, "v = DMARC1 ; sp=none; p = Quarantine", []),
    ("a._report._dmarc.example.test.", "v=DMARC1", []),
    (ZONE, "v=DMARC1", []),
    (DMARC, "v=DMARC1", BAD_DMARC),
    (DMARC, "v=dmarc1; p=none", BAD_DMARC),
    (DMARC, "p=none; v=DMARC1", BAD_DMARC),
    (DMARC, "v=DMARC1; p=all", BAD_DMARC),
    (DMARC, "v=DMARC1 p=none", BAD_DMARC),
    (DMARC, "v=DMARC1; p=none;; rua=mailto:a@a.test", BAD_DMARC),
    (DMARC, "hello", BAD_DMARC),
    # DKIM, RFC 6376 section 3.6.1.
    (KEY, "v=DKIM1; k=rsa; p=AQAB", []),
    (KEY, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", []),
    (KEY, "p=AQ AB", []),
    (KEY, "v=DKIM1; p=", []),
    ("_domainkey.example.test.", "o=-", []),
    (KEY, "k=rsa; v=DKIM1; p=AQAB", BAD_DKIM),
    (KEY, "v=DKIM2; p=AQAB", BAD_DKIM),
    (KEY, "v=DKIM1; k=dsa; p=AQAB", BAD_DKIM),
    (KEY, "v=DKIM1; p=AQA", BAD_DKIM),
    (KEY, "v=DKIM1; p=AQAB!", BAD_DKIM),
    (KEY, "v=DKIM1; k=rsa", BAD_DKIM),
    (KEY, "AQAB", BAD_DKIM),
]


@pytest.mark.parametrize(("name", "text", "lines"), RECORDS)
def test_mail(name: str, text: str, lines: list[str]) -> None:
    (value,) = parsed("TXT", text)
    findings = validation.check_record(CONTEXT, name, "TXT", value)
    assert brief(findings) == expected(*lines)


def test_a_policy_may_be_cut_anywhere() -> None:
    """Strings are joined without a space (RFC 7208 section 3.3)."""
    (value,) = parsed("TXT", '"v=spf1 inclu" "de:a.test -all"')
    assert validation.check_record(CONTEXT, ZONE, "TXT", value) == []


@pytest.mark.parametrize("text", ["v=spf1 " + "a:" * 20_000, "=" + " " * 40_000])
def test_long_texts_take_no_time(text: str) -> None:
    """Each expression reads a text once; quadratic, this would take minutes."""
    (value,) = parsed("TXT", text)
    for name in (ZONE, DMARC, KEY):
        validation.check_record(CONTEXT, name, "TXT", value)
