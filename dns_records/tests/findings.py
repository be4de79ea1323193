"""What the tests of the rules share: a zone, and findings in brief."""

from __future__ import annotations

from dns_records import rdata
from dns_records.validation import Context, Finding

ZONE = "example.test."
WWW = "www.example.test."
CONTEXT = Context(ZONE)


def parsed(rtype: str, *texts: str) -> list[rdata.Rdata]:
    """Return values as a client writes them."""
    return [rdata.parse(rtype, text, zone=ZONE) for text in texts]


def brief(findings: list[Finding]) -> list[tuple[str, str, str, int]]:
    """Return what matters of each finding."""
    return [(f.validator, f.level, f.code, f.status) for f in findings]


def expected(*lines: str) -> list[tuple[str, str, str, int]]:
    """Read ``validator level code [status]`` lines."""
    read = []
    for line in lines:
        validator, level, code, *status = line.split()
        read.append((validator, level, code, int(status[0]) if status else 400))
    return read
