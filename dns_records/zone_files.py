"""Zone files (RFC 1035 section 5): read line by line, and written. Pure.

dnspython reads them. What stands outside the file is not fetched ($INCLUDE), and
nothing is made up ($GENERATE): each record has a line, which a mistake names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.transaction
import dns.ttl
import dns.zonefile

from dns_records import drift, names, rdata, record_types
from dns_records.images import Key
from dnsorch.exceptions import DnsorchError, Invalid, Reason

MAX_MISTAKES = 100
DIRECTIVES = ("$ORIGIN", "$TTL")


class InvalidZoneFile(Invalid):
    """The zone file cannot be taken as it is."""

    code = "invalid_zone_file"


@dataclass(frozen=True)
class Mistake:
    """What is wrong in a line; they are counted from 1."""

    line: int
    code: str
    detail: str

    def as_reason(self) -> Reason:
        """Return it as one of the reasons of a problem."""
        return Reason("", self.code, f"line {self.line}: {self.detail}")


@dataclass
class Reading:
    """What came of reading a file: records taken, RRs of the server's own, mistakes."""

    records: int
    own: int
    mistakes: list[Mistake]

    def raise_if_wrong(self) -> None:
        """Refuse the file.

        Raises:
            InvalidZoneFile: there is at least one mistake.
        """
        if self.mistakes:
            raise refusal(self.mistakes)


# Takes one record: its RRset, TTL in seconds, canonical rdata, line.
Take = Callable[[Key, int, str, int], None]


def refusal(mistakes: Iterable[Mistake]) -> InvalidZoneFile:
    """Return the error that names the mistakes."""
    reasons = tuple(each.as_reason() for each in mistakes)
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return InvalidZoneFile(f"{reasons[0].detail}{more}", reasons=reasons)


def read(file: IO[str], zone: str, take: Take) -> Reading:
    """Give ``take`` each record of a zone file, in the order of the file.

    ``zone`` is canonical, and the first origin. Left out is what the server makes
    itself: SOA and NS of the apex, what a signer makes, the marker. Reading ends at
    the first line that is no record, or after :data:`MAX_MISTAKES` wrong ones.
    """
    sink = _Sink(zone, take)
    tokens = dns.tokenizer.Tokenizer(
        file, filename="line", idna_codec=dns.name.IDNA_2008_Practical
    )
    reader = _Reader(tokens, sink)
    sink.reader = reader
    found = Reading(0, 0, sink.mistakes)
    try:
        reader.read()
    except _Enough:
        pass
    except UnicodeDecodeError:
        line = tokens.where()[1]
        sink.mistakes.append(Mistake(line, InvalidZoneFile.code, "it is not UTF-8"))
    except (dns.exception.DNSException, UnicodeError) as error:
        sink.mistakes.append(_syntax(reader, error))
    found.records, found.own = sink.records, sink.own
    return found


class _Enough(Exception):
    """So many lines are wrong that nobody reads more of them."""


class _Reader(dns.zonefile.Reader):
    """Knows in which line a record begins, and skips none."""

    def __init__(self, tokens: dns.tokenizer.Tokenizer, sink: _Sink) -> None:
        super().__init__(
            tokens, dns.rdataclass.IN, sink, allow_directives=list(DIRECTIVES)
        )
        # dnspython passes over what is not below this; here that is a mistake.
        self.zone_origin = dns.name.root
        self.line = 0

    def _rr_line(self) -> None:
        self.line = self.tok.where()[1]
        super()._rr_line()


class _Sink(dns.zonefile.RRsetsReaderTransaction):
    """Takes records as the reader finds them, and keeps none."""

    reader: _Reader

    def __init__(self, zone: str, take: Take) -> None:
        origin = dns.name.from_text(zone)
        manager = dns.zonefile.RRSetsReaderManager(origin, False)
        super().__init__(manager, True, False)  # type: ignore[no-untyped-call]
        self._zone, self._take = zone, take
        self.mistakes: list[Mistake] = []
        self.records = self.own = 0

    def add(self, *args: Any) -> None:
        """Take one record; a wrong one is kept as a mistake.

        Raises:
            _Enough: there are too many mistakes.
        """
        name, ttl, value = args
        try:
            self._take_in(name, ttl, value)
        except DnsorchError as error:
            self._wrong(error)

    def _take_in(self, name: dns.name.Name, ttl: int, value: dns.rdata.Rdata) -> None:
        rtype = dns.rdatatype.to_text(value.rdtype)
        absolute = name.canonicalize().to_text()
        in_zone = name.is_subdomain(dns.name.from_text(self._zone))
        if in_zone and not drift.is_compared(self._zone, Key(absolute, rtype)):
            self.own += 1
            return
        key = Key(names.owner_name(absolute, self._zone), rtype)
        record_types.lookup(rtype)
        text = rdata.parse(rtype, value.to_text(), zone=self._zone).text
        self.records += 1
        self._take(key, ttl, text, self.reader.line)

    def _wrong(self, error: DnsorchError) -> None:
        self.mistakes.append(Mistake(self.reader.line, error.code, error.detail))
        if len(self.mistakes) >= MAX_MISTAKES:
            raise _Enough


def _syntax(reader: _Reader, error: Exception) -> Mistake:
    """Return what dnspython could not read, in its words."""
    told = str(error)
    where = reader.tok.where()[1]
    # It has read the end of the line already, or stands in the middle of it.
    prefix, _, rest = told.partition(": ")
    detail = rest if prefix.startswith("line:") else told
    if "directive" in detail:
        detail += f"; expected {' or '.join(DIRECTIVES)}, or a record"
        return Mistake(where, "directive_refused", detail)
    line = max(reader.line, where - 1)
    return Mistake(line, "syntax_error", detail or "it is no record")


# --- writing --------------------------------------------------------------------------


def head(zone: str, default_ttl: int, comments: Iterable[str]) -> Iterator[str]:
    """Yield the lines that a zone file begins with."""
    for comment in comments:
        yield f"; {comment}\n"
    yield f"$ORIGIN {zone}\n"
    yield f"$TTL {default_ttl}\n"


def line(name: str, ttl: int, rtype: str, text: str) -> str:
    """Return the line of one record; all names in it are absolute."""
    return f"{name} {ttl} IN {rtype} {text}\n"
