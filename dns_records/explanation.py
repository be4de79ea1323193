"""One sentence that says why an RRset is, or is not, what name servers answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dns_records import serials
from dns_records.images import Image, Key


@dataclass(frozen=True)
class Server:
    """What one name server answers now.

    ``shows`` is whether that is what is wanted. ``error`` says why there was no
    answer, ``hidden`` that the name stands below a delegation or a DNAME;
    ``wildcard`` is the owner name that answers for it, where it is absent itself.
    """

    address: str
    serial: int | None = None
    image: Image | None = None
    shows: bool = False
    error: str = ""
    hidden: bool = False
    wildcard: str = ""


@dataclass(frozen=True)
class Waiting:
    """A change that the update server does not have yet.

    ``ahead`` counts the requests before it in the lane; ``sent`` is one that is on
    its way. ``trouble`` is what holds the lane up.
    """

    ahead: int = 0
    sent: bool = False
    trouble: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of an RRset; ``zone`` is "" if no registered zone holds it.

    ``old`` is what the last change found and ``changed`` whether there was one;
    ``since`` is when the last of the name servers was seen with it. ``cname`` is the
    target of a CNAME that is wanted at the name instead.
    """

    key: Key
    zone: str
    wanted: Image | None = None
    changed: bool = False
    old: Image | None = None
    since: str = ""
    cname: str = ""
    waiting: Waiting | None = None
    servers: Sequence[Server] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether every name server answers as is wanted, and why, in a sentence."""

    live: bool
    sentence: str


def judge(facts: Facts) -> Verdict:
    """Return whether an RRset is live, and one sentence that says why or why not."""
    if not facts.zone:
        return Verdict(False, f"{facts.key.name} is not in any registered zone")
    if facts.waiting is not None:
        return Verdict(False, _waits(facts.waiting))
    if not facts.servers:
        return Verdict(
            False, f"nobody can tell: {facts.zone} has no name servers to be asked"
        )
    hidden = next((each for each in facts.servers if each.hidden), None)
    if hidden is not None:
        return Verdict(False, hidden.error)
    wrong = [each for each in facts.servers if not each.shows]
    if wrong:
        newest = serials.newest(each.serial for each in facts.servers)
        told = (_differs(facts, each, newest) for each in wrong)
        return Verdict(False, "; ".join(told))
    return Verdict(True, _as_wanted(facts))


def _waits(waiting: Waiting) -> str:
    if waiting.sent:
        return "is on its way to the update server" + _because(waiting)
    if waiting.ahead:
        plural = "s" * (waiting.ahead > 1)
        where = f"waits in the lane behind {waiting.ahead} request{plural}"
    else:
        where = "is the next in the lane"
    return where + _because(waiting)


def _because(waiting: Waiting) -> str:
    return f", which is held up: {waiting.trouble}" if waiting.trouble else ""


def _as_wanted(facts: Facts) -> str:
    count = len(facts.servers)
    where = f"all {count} name servers" if count > 1 else "the only name server"
    since = f" since {facts.since}" if facts.since else ""
    if facts.wanted is not None:
        return f"live on {where}{since}"
    wildcards = sorted({each.wildcard for each in facts.servers if each.wildcard})
    if wildcards:
        return f"absent, as wanted; the wildcard {', '.join(wildcards)} answers"
    if facts.cname:
        return (
            f"absent: {facts.key.name} is a CNAME, "
            f"and what {facts.cname} has is the answer"
        )
    if facts.changed:
        return f"gone from {where}{since}"
    return f"nothing is wanted here, and {where} ha{'ve' if count > 1 else 's'} nothing"


def _differs(facts: Facts, server: Server, newest: int | None) -> str:
    """Return what is wrong with the answer of one name server."""
    if server.error:
        return f"{server.address} gives no answer: {server.error}"
    if facts.changed and server.image == facts.old:
        what = "still answers the old value" if facts.old else "does not have it yet"
    elif server.image is None:
        what = "does not have it"
    else:
        what = f"answers something else: {_shown(server.image)}"
    return f"{server.address} {what}{_behind(server.serial, newest)}"


def _shown(image: Image) -> str:
    return f"{', '.join(image.records)} (TTL {image.ttl})"


def _behind(serial: int | None, newest: int | None) -> str:
    if serial is None or newest is None:
        return ""
    if serials.is_older(serial, newest):
        return f", serial {serial} < {newest}"
    return f", serial {serial}"
