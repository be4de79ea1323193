"""Zone files: what is read of them, and what is refused with its line."""

from __future__ import annotations

import io

import pytest

from dns_records import zone_files
from dns_records.images import Key
from dns_records.zone_files import InvalidZoneFile, Reading

pytestmark = pytest.mark.embedded

ZONE = "example.test."
Records = list[tuple[str, str, int, str, int]]


def read(text: str) -> tuple[Records, Reading]:
    """Read a file; return its records with their lines, and what came of it."""
    records: Records = []

    def take(key: Key, ttl: int, value: str, line: int) -> None:
        records.append((*key, ttl, value, line))

    return records, zone_files.read(io.StringIO(text), ZONE, take)


def wrong(text: str) -> list[tuple[int, str]]:
    """Return the lines that are wrong, and the code of each."""
    return [(each.line, each.code) for each in read(text)[1].mistakes]


def test_records_come_with_their_ttl_and_line() -> None:
    records, found = read(
        "$TTL 1h\n"
        "@ IN SOA ns1 hostmaster (\n"
        "    1 2 3\n"
        "    4 5 )\n"
        "  NS ns1\n"
        "ns1 A 192.0.2.1 ; the server\n"
        "    60 IN AAAA 2001:DB8::1\n"
        "\n"
        "$ORIGIN sub\n"
        "www CNAME ns1.example.test.\n"
        "$TTL 30\n"
        'txt IN 5 TXT ( "a"\n'
        '  "b" )\n'
        "@ MX 10 www\n"
    )
    assert (found.records, found.own, found.mistakes) == (5, 2, [])
    assert records == [
        ("ns1.example.test.", "A", 3600, "192.0.2.1", 6),
        ("ns1.example.test.", "AAAA", 60, "2001:db8::1", 7),
        ("www.sub.example.test.", "CNAME", 3600, "ns1.example.test.", 10),
        ("txt.sub.example.test.", "TXT", 5, '"a" "b"', 12),
        ("sub.example.test.", "MX", 30, "10 www.sub.example.test.", 14),
    ]


def test_what_the_server_makes_itself_is_counted_and_left_out() -> None:
    records, found = read(
        "$TTL 60\n" "_dnsorch TXT v1\n" "www NSEC z.example.test. A\n" "sub NS ns.sub\n"
    )
    assert [each[:2] for each in records] == [("sub.example.test.", "NS")]
    assert found.own == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$INCLUDE /etc/passwd", "directive_refused"),
        ("$GENERATE 1-9 n$ A 192.0.2.$", "directive_refused"),
        ("$UNICODE 2008", "directive_refused"),
        ("www.example.org. A 192.0.2.1", "out_of_zone"),
        ("test. A 192.0.2.1", "out_of_zone"),
        ("www A 192.0.2.256", "syntax_error"),
        ("www A", "syntax_error"),
        ("www A 192.0.2.1 192.0.2.2", "syntax_error"),
        ("www CH A 192.0.2.1", "syntax_error"),
        ("www NOTYPE x", "syntax_error"),
        ("a*b A 192.0.2.1", "invalid_name"),
        ('www TXT "not closed', "syntax_error"),
        ("a..b A 192.0.2.1", "syntax_error"),
        ("x._dnsorch A 192.0.2.1", "reserved_name"),
        (f"{'a' * 64} A 192.0.2.1", "syntax_error"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: str, code: str) -> None:
    assert wrong(f"$TTL 60\nok A 192.0.2.1\n{line}\n") == [(3, code)]
    assert wrong(f"$TTL 60\nok A 192.0.2.1\n{line}\nok2 A 192.0.2.2\n") == [(3, code)]


def test_a_record_without_any_ttl_is_refused() -> None:
    assert wrong("www A 192.0.2.1\n") == [(1, "syntax_error")]


def test_all_wrong_names_are_told_at_once_up_to_a_limit() -> None:
    text = "$TTL 60\n" + "www.example.org. A 192.0.2.1\n" * 300
    found = read(text)[1]
    assert [each.line for each in found.mistakes] == list(range(2, 102))
    with pytest.raises(InvalidZoneFile, match="line 2: .*99 more") as caught:
        found.raise_if_wrong()
    assert len(caught.value.reasons) == 100


def test_a_file_that_is_not_utf_8() -> None:
    octets = io.BytesIO(b'$TTL 60\nwww TXT "\xff\xfe"\n')
    file = io.TextIOWrapper(octets, encoding="utf-8")
    found = zone_files.read(file, ZONE, lambda *_: None)
    assert [each.detail for each in found.mistakes] == ["it is not UTF-8"]


def test_u_labels_are_read_as_a_labels() -> None:
    records, _ = read("$TTL 60\nbücher A 192.0.2.1\n")
    assert records[0][0] == "xn--bcher-kva.example.test."


def test_what_is_written_is_read_again() -> None:
    lines = [
        *zone_files.head(ZONE, 300, ["a comment"]),
        zone_files.line("www.example.test.", 60, "TXT", '"a;b" "\\"c"'),
        zone_files.line("*.example.test.", 5, "MX", "10 mail.example.test."),
    ]
    records, found = read("".join(lines))
    assert found.mistakes == []
    assert records == [
        ("www.example.test.", "TXT", 60, '"a;b" "\\"c"', 4),
        ("*.example.test.", "MX", 5, "10 mail.example.test.", 5),
    ]
