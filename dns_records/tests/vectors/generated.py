"""Values of each type that are right by its RFC, for Hypothesis."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from hypothesis import strategies as st

Text = st.SearchStrategy[str]

U8, U16, U32 = (st.integers(0, 2**bits - 1).map(str) for bits in (8, 16, 32))
HOST = st.from_regex(r"([a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\.){1,4}", fullmatch=True)
NAME = st.from_regex(
    r"([a-zA-Z0-9_]|\\(25[0-5]|2[0-4][0-9]|12[89]|1[3-9][0-9]|\.))" r"{1,12}\.net\.",
    fullmatch=True,
)
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)
HASH_OCTETS = {1: 20, 2: 32, 4: 48}


def words(*parts: Text) -> Text:
    """Return the parts with blanks between them."""
    return st.tuples(*parts).map(" ".join)


def quoted(least: int = 0, most: int = 255) -> Text:
    """Return a string of any octets, each of them escaped or none."""
    escaped = st.binary(min_size=least, max_size=most).map(
        lambda octets: "".join(f"\\{octet:03d}" for octet in octets)
    )
    plain = st.from_regex(rf"[a-zA-Z0-9 ;()=@.:/+-]{{{least},{most}}}", fullmatch=True)
    return (escaped | plain).map('"{}"'.format)


def hexed(least: int, most: int) -> Text:
    """Return octets in hex, in either case."""
    octets = st.binary(min_size=least, max_size=most)
    return octets.map(bytes.hex) | octets.map(lambda found: found.hex().upper())


def base64ed(least: int, most: int) -> Text:
    """Return octets in base64."""
    return st.binary(min_size=least, max_size=most).map(
        lambda octets: base64.b64encode(octets).decode()
    )


def digest(before: Text, octets: Mapping[int, int]) -> Text:
    """Return what comes before, a type of digest and a digest of its length."""
    return st.sampled_from(sorted(octets)).flatmap(
        lambda kind: words(
            before, st.just(str(kind)), hexed(octets[kind], octets[kind])
        )
    )


def groups(octets: bytes) -> str:
    """Return 64 bits as NID and L64 write them."""
    return ":".join(octets[start : start + 2].hex() for start in range(0, 8, 2))


def prefix(address: str, least: int, length: int) -> str:
    """Return an item of an APL without bits beyond its length."""
    return f"{2 if ':' in address else 1}:{address}/{max(least, length)}"


def svcb(others: Text = quoted(1, 30)) -> Text:
    """Return services and aliases; ``others`` are values of a key without a name."""
    params = {
        "alpn": st.lists(
            st.from_regex(r"[a-z0-9/.-]{1,9}", fullmatch=True), min_size=1, max_size=3
        ).map(",".join),
        "port": U16,
        "ipv4hint": st.lists(V4, min_size=1, max_size=3).map(",".join),
        "ipv6hint": st.lists(V6, min_size=1, max_size=3).map(",".join),
        "key667": others,
    }
    service = st.tuples(
        st.integers(1, 65_535).map(str),
        HOST | st.just("."),
        st.fixed_dictionaries({}, optional=params).map(
            lambda found: " ".join(f"{key}={value}" for key, value in found.items())
        ),
    ).map(lambda parts: " ".join(part for part in parts if part))
    return service | NAME.map("0 {}".format)


def loc(highest: int = 2**32 - 10_000_001, least_ms: int = 0) -> Text:
    """Return places up to ``highest`` cm; their seconds are ``least_ms`` at least."""
    place = words(
        *(st.integers(0, 59).map(str) for _ in range(2)),
        st.integers(least_ms, 59_999).map(lambda ms: f"{ms / 1000:.3f}"),
    )
    altitude = st.integers(-10_000_000, highest).map(lambda cm: f"{cm / 100:.2f}m")
    length = st.tuples(st.integers(0, 9), st.integers(0, 6)).map(
        lambda pair: f"{pair[0] * 10**pair[1] / 100:.2f}m"
    )
    sides = (place, st.sampled_from("NS"), place, st.sampled_from("EW"))
    return words(*sides, altitude, length, length, length)


_SIXTY_FOUR = words(U16, st.binary(min_size=8, max_size=8).map(groups))
_APL_ITEM = st.tuples(
    st.sampled_from(["", "!"]),
    V4.map(lambda address: prefix(address, 32, 32))
    | V6.map(lambda address: prefix(address, 128, 128)),
).map("".join)
_TLSA = words(U8, U8, st.just("0"), hexed(1, 60)) | digest(
    words(U8, U8), {1: 32, 2: 64}
)
_ADDRESS_TYPES = ["A", "NS", "AAAA", "TXT", "DS", "CAA", "TYPE65280", "SOA"]

#: A strategy for each type.
VALUES: Mapping[str, Text] = {
    "A": V4,
    "AAAA": V6,
    "AFSDB": words(U16, HOST),
    "APL": st.lists(_APL_ITEM, min_size=1, max_size=4).map(" ".join),
    "CAA": words(
        U8, st.from_regex(r"[a-zA-Z0-9]{1,15}", fullmatch=True), quoted(1, 60)
    ),
    "CDNSKEY": words(U16, st.just("3 15"), base64ed(32, 32)),
    "CDS": digest(words(U16, st.integers(1, 16).map(str)), HASH_OCTETS),
    "CERT": words(st.integers(1, 254).map(str), U16, U8, base64ed(1, 60)),
    "CNAME": NAME,
    "CSYNC": words(
        U32,
        st.integers(0, 3).map(str),
        st.lists(st.sampled_from(_ADDRESS_TYPES), min_size=1).map(" ".join),
    ),
    "DHCID": base64ed(3, 40),
    "DNAME": NAME,
    "DNSKEY": words(U16, st.just("3 15"), base64ed(32, 32)),
    "DS": digest(words(U16, st.integers(1, 16).map(str)), HASH_OCTETS),
    "EUI48": st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex("-")),
    "EUI64": st.binary(min_size=8, max_size=8).map(lambda octets: octets.hex("-")),
    "HINFO": words(quoted(), quoted()),
    "HTTPS": svcb(),
    "KX": words(U16, HOST),
    "L32": words(U16, V4),
    "L64": _SIXTY_FOUR,
    "LOC": loc(),
    "LP": words(U16, NAME),
    "MX": words(U16, HOST),
    "NAPTR": words(U16, U16, quoted(0, 9), quoted(0, 30), st.just('""'), NAME),
    "NID": _SIXTY_FOUR,
    "NS": HOST,
    "OPENPGPKEY": base64ed(1, 300),
    "PTR": NAME,
    "RP": words(HOST | st.just("."), NAME | st.just(".")),
    "SMIMEA": _TLSA,
    "SPF": st.lists(quoted(), min_size=1, max_size=3).map(" ".join),
    "SRV": words(U16, U16, U16, HOST | st.just(".")),
    "SSHFP": digest(U8, {1: 20, 2: 32}),
    "SVCB": svcb(),
    "TLSA": _TLSA,
    "TXT": st.lists(quoted(), min_size=1, max_size=3).map(" ".join),
    "TYPE65280": st.binary(max_size=60).map(
        lambda octets: f"\\# {len(octets)} {octets.hex()}"
    ),
    "URI": words(U16, U16, quoted(1, 300)),
    "ZONEMD": digest(words(U32, st.integers(1, 255).map(str)), {1: 48, 2: 64}),
}
