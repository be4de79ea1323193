"""The ten invariants, judged on evidence: nothing lost, nothing out of order.

Pure, and tested on histories that are broken on purpose: each can fail.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from dnsorch.tests.faults.evidence import Evidence, Request
from dnsorch.tests.faults.update_log import RESTORED, Added

FINAL = {"completed", "failed", "rejected", "cancelled"}
MARKER = re.compile(r"v1 (\d+) (\d+)")
IGNORED = "the server silently ignored"


class Violation(NamedTuple):
    """An invariant that does not hold, what shows it, and whose timeline tells."""

    invariant: str
    detail: str
    request_ids: tuple[str, ...] = ()


Found = Iterator[tuple[str, tuple[str, ...]]]


def check(evidence: Evidence) -> list[Violation]:
    """Return every violation, by invariant."""
    return [
        Violation(name, detail, ids)
        for name, find in INVARIANTS.items()
        for detail, ids in find(evidence)
    ]


def one_final_state(evidence: Evidence) -> Found:
    """I1: each acknowledged request reaches exactly one final state."""
    known = {request.id: request for request in evidence.requests}
    outcomes = Counter(each.request_id for each in evidence.outcomes)
    for asked in evidence.asked:
        if asked.request_id is not None and asked.request_id not in known:
            yield f"{asked.key} was acknowledged and is not in the tracker", ()
    for request in evidence.requests:
        if request.status not in FINAL:
            yield f"{request.key} is still {request.status}", (request.id,)
        elif request.finals != (request.status,):
            yield (
                f"{request.key} is {request.status}, its timeline ends with "
                f"{', '.join(request.finals) or 'nothing'}"
            ), (request.id,)
        elif outcomes[request.id] != 1:
            yield f"{request.key} has {outcomes[request.id]} outcomes", (request.id,)


def dns_is_wanted_is_tracked(evidence: Evidence) -> Found:
    """I2: every name server has what is wanted, as the tracker tells it."""
    status = {request.id: request.status for request in evidence.requests}
    last: dict[str, tuple[int, int]] = {}
    for change in sorted(evidence.changes):
        if status.get(change.request_id) == "completed":
            last[change.name] = (change.id, change.number)
    for name, held in evidence.held.items():
        completed = last[name][1] if name in last else None
        if held.wanted != completed:
            yield f"{name}: wanted {held.wanted}, last completed {completed}", ()
        if held.applied != held.wanted:
            yield f"{name}: wanted {held.wanted}, applied {held.applied}", ()
    for (server, name), texts in evidence.served.items():
        wanted = evidence.held[name].wanted if name in evidence.held else None
        if texts != ({str(wanted)} if wanted is not None else set()):
            shown = ", ".join(sorted(texts)) or "nothing"
            yield f"{name}: wanted {wanted}, {server} answers {shown}", ()


def versions_rise(evidence: Evidence) -> Found:
    """I3: of each RRset, the server's log never goes back to an older version."""
    versions: dict[tuple[str, str], int] = {}
    for change in evidence.changes:
        versions[change.name, str(change.number)] = change.version
    seen: dict[str, tuple[int, str]] = {}
    for added in evidence.added:
        version = versions.get((added.name, added.text))
        if version is None:
            continue
        before, text = seen.get(added.name, (0, ""))
        if version < before:
            yield f"{added.name}: {added.text} was applied after {text}", ()
        seen[added.name] = max(seen.get(added.name, (0, "")), (version, added.text))


def markers_rise(evidence: Evidence) -> Found:
    """I4: markers rise strictly; a batch number is in the log at most once."""
    last: dict[str, tuple[int, int]] = {}
    old: set[str] = set()
    for added in evidence.added:
        if added.name == RESTORED:
            old.add(added.zone)
        if (marker := _marker(added)) is None:
            continue
        before = last.get(added.zone)
        # An old copy of a zone has an old number; epochs rise whatever comes.
        fell = before and marker[1] < before[1] and added.zone not in old
        if before and (marker <= before or fell):
            yield f"{added.zone}: marker {marker} after {before}", ()
        last[added.zone] = marker
        old.discard(added.zone)
    # A takeover repeats a number, and changes nothing but the marker.
    current: dict[str, tuple[int, int]] = {}
    takeover: set[str] = set()
    for added in evidence.added:
        if (now := _marker(added)) is None:
            if added.zone in takeover:
                yield f"{added.zone}: takeover {current[added.zone]} carried more", ()
            continue
        takeover.discard(added.zone)
        if added.zone in current and current[added.zone][1] == now[1]:
            takeover.add(added.zone)
        current[added.zone] = now


def log_is_the_tracker(evidence: Evidence) -> Found:
    """I5: applied means seen in the log; nothing is in the log without a row."""
    rows = {(each.zone, each.epoch, each.number): each for each in evidence.batches}
    logged: set[tuple[str, int, int]] = set()
    number: dict[str, int] = {}
    for added in evidence.added:
        if added.name == RESTORED:
            number.pop(added.zone, None)
        if (marker := _marker(added)) is None:
            continue
        zone, is_takeover = added.zone, number.get(added.zone) == marker[1]
        first = zone not in number
        number[zone] = marker[1]
        logged.add((zone, *marker))
        row = rows.get((zone, *marker))
        if row is None:
            # What the log begins with may be a takeover of what was there before.
            if not is_takeover and not first:
                yield f"{zone}: UPDATE {marker} is in the log and has no row", ()
        elif row.status != "applied" and not row.error.startswith(IGNORED):
            yield f"{zone}: UPDATE {marker} is in the log, its row {row.status}", ()
    for key, row in rows.items():
        if row.status == "applied" and key not in logged:
            yield f"{row.zone}: UPDATE {key[1:]} is applied and not in the log", ()
        if row.status == "sent":
            yield f"{row.zone}: UPDATE {key[1:]} is undecided", ()
    texts = {(added.name, added.text) for added in evidence.added}
    for change in evidence.changes:
        live = change.status in ("applied", "verified")
        if live and (change.name, str(change.number)) not in texts:
            yield (
                f"{change.name}: {change.number} is {change.status}, not in the log"
            ), (change.request_id,)


def outcomes_in_order(evidence: Evidence) -> Found:
    """I6: one distinct event of each outcome, in the order of its zone."""
    ids: dict[str, set[str]] = defaultdict(set)
    order: dict[str, list[str]] = defaultdict(list)
    for event in evidence.published:
        if event.id not in ids[event.request_id]:
            order[event.key].append(event.request_id)
        ids[event.request_id].add(event.id)
    sequence = {each.request_id: each.sequence for each in evidence.outcomes}
    for outcome in evidence.outcomes:
        count = len(ids[outcome.request_id])
        if count != 1:
            yield f"{count} events tell of one outcome", (outcome.request_id,)
    for key, request_ids in order.items():
        found = [sequence.get(each) for each in request_ids]
        numbers = [each for each in found if each is not None]
        if numbers != sorted(numbers):
            yield f"{key}: outcomes are published as {numbers}", ()


def one_change_per_key(evidence: Evidence) -> Found:
    """I7: an idempotency key acts once."""
    by_key: dict[str, list[Request]] = defaultdict(list)
    for request in evidence.requests:
        by_key[request.key].append(request)
    changes = Counter(change.request_id for change in evidence.changes)
    for key, requests in by_key.items():
        ids = tuple(request.id for request in requests)
        if len(requests) > 1:
            yield f"{key} has {len(requests)} requests", ids
        elif changes[ids[0]] > 1:
            yield f"{key} has {changes[ids[0]]} changes", ids


def one_row_per_message(evidence: Evidence) -> Found:
    """I8: each Kafka message has one request, or one dead letter."""
    rows = Counter(request.key for request in evidence.requests)
    rows.update(evidence.dead)
    for asked in evidence.asked:
        if asked.door == "kafka" and rows[asked.key] != 1:
            yield f"message {asked.key} has {rows[asked.key]} records", ()


def no_secret_in_logs(evidence: Evidence) -> Found:
    """I9: no log holds a secret."""
    for place in evidence.leaks:
        yield f"{place} holds a secret", ()


def recovers_in_time(evidence: Evidence) -> Found:
    """I10: after healing all is final and live within the bound."""
    took = evidence.recovery_s
    if took is None or took > evidence.bound_s:
        shown = "never" if took is None else f"after {took:.1f} s"
        yield f"quiet {shown}, the bound is {evidence.bound_s:g} s", ()


INVARIANTS: dict[str, Callable[[Evidence], Found]] = {
    "I1": one_final_state,
    "I2": dns_is_wanted_is_tracked,
    "I3": versions_rise,
    "I4": markers_rise,
    "I5": log_is_the_tracker,
    "I6": outcomes_in_order,
    "I7": one_change_per_key,
    "I8": one_row_per_message,
    "I9": no_secret_in_logs,
    "I10": recovers_in_time,
}


def invariants(violations: Sequence[Violation]) -> set[str]:
    """Return which invariants do not hold."""
    return {violation.invariant for violation in violations}


def _marker(added: Added) -> tuple[int, int] | None:
    if added.name != f"_dnsorch.{added.zone}":
        return None
    match = MARKER.fullmatch(added.text)
    return (int(match[1]), int(match[2])) if match else None
