"""Working on an import: what the server holds is read, then taken page by page.

Each step may be done twice and each worker may die: what was read is read anew, what
was taken is found as it should be.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from types import MappingProxyType

import structlog
from django.db import transaction
from django.db.models.functions import Now

from dns_records import drift, rdata, record_types
from dns_records.images import Image, Key
from dns_records.models import ImportPhase, ImportSource, ZoneImport
from dns_records.providers import registry
from dns_records.providers.errors import Misconfigured, ProviderError
from dns_records.retry import Backoff
from dns_records.selectors import imports as progress
from dns_records.services import adoption, import_files, import_jobs, outcomes
from dns_records.services.adoption import Adopted
from dns_records.services.import_jobs import Page, Part, Staging
from dns_records.services.lanes import LeaseLost
from dns_records.zone_files import InvalidZoneFile
from dnsorch import clock, failpoints
from dnsorch.exceptions import DnsorchError, Invalid
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle, timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status

logger = structlog.get_logger(__name__)

# How long a worker goes on before lanes have their turn, in seconds.
SLICE_S = 10.0
BACKOFF = Backoff(first_s=2.0, longest_s=60.0)


# Nothing is left to do but, in the one, for the parts that were made.
OVER = frozenset({ImportPhase.WAITING, ImportPhase.DONE})


class ImportFailed(DnsorchError):
    """The zone could not be read, or taken over, until the deadline."""

    code = "import_failed"


def run(zone_id: int) -> bool:
    """Work on the import of a zone for a while; say whether more is to be done."""
    for job in import_jobs.open_in(zone_id):
        if not import_jobs.claim(job):
            continue
        try:
            if job.request.is_final or job.phase in OVER:
                # Cancelled, or its worker died at the very end.
                import_jobs.end(job)
                continue
            return _work(job)
        except LeaseLost:
            logger.warning("lease lost", request_id=str(job.pk))
            return False
        except BaseException as error:
            if isinstance(error, Exception) and _is_late(job):
                _fail(job, ImportFailed("an error within dnsorch; its log has more"))
            else:
                import_jobs.release(job)
            raise
    return False


def _is_late(job: ZoneImport) -> bool:
    deadline = job.request.deadline_at
    return deadline is not None and deadline <= clock.now()


def _work(job: ZoneImport) -> bool:
    until = time.monotonic() + SLICE_S
    try:
        _begin(job)
        if job.phase == ImportPhase.READING:
            _read(job)
        while _take(job):
            failpoints.hit("after_import_page")
            if time.monotonic() >= until:
                _prolong(job)
                import_jobs.release(job)
                return True
    except ProviderError as error:
        _not_read(job, error)
        return False
    except InvalidZoneFile as error:
        _fail(job, error)
        return False
    _finish(job)
    return False


def _begin(job: ZoneImport) -> None:
    """Say that it has begun, the first time."""
    with transaction.atomic():
        import_jobs.guard(job)
        entry = Entry(Step.SENT, f"{job.zone.name} is read by {job.source}")
        lifecycle.move([job.pk], Status.PROVISIONING, [entry], count_attempt=True)


def _prolong(job: ZoneImport) -> None:
    """Move the deadline on: an import that makes progress is not ended by it."""
    lifecycle.prolong(job.pk, lifecycle.deadline(clock.now()))


# --- reading --------------------------------------------------------------------------


def _read(job: ZoneImport) -> None:
    """Read all that the server holds, but for what is its own affair; a file before.

    Raises:
        ProviderError: the server does not tell.
        InvalidZoneFile: the file is not one, or breaks a rule; nothing was taken.
    """
    zone, backend = job.zone, job.zone.backend
    provider = registry.for_backend(
        backend.driver, backend.options, backend.secret_reference
    )
    fresh = {"records": 0, "done": 0, "cursor": "", "counts": {}, "left_out": []}
    import_jobs.guard(job, read_at=clock.now(), **fresh)
    has_file = job.source == ImportSource.FILE
    own = import_files.read(job) if has_file else 0
    if provider.can_list:
        staging = Staging(job, served=True, counts=not has_file)
        for part in provider.read_zone(zone.name):
            key = Key(part.name, part.type)
            if drift.is_compared(zone.name, key):
                staging.add(Part(key, part.ttl, part.records))
            else:
                own += not has_file
        staging.flush()
    if has_file:
        import_files.check(job)
    import_jobs.count(job, {}, own=own)
    with transaction.atomic():
        import_jobs.guard(
            job,
            phase=ImportPhase.TAKING,
            taking_since=clock.now(),
            counts=job.counts,
            failures=0,
        )
        text = f"{job.records} record(s) read, {own} RRset(s) of the server's own aside"
        timeline.append([job.pk], Entry(Step.VALIDATED, text))
    _prolong(job)


def _not_read(job: ZoneImport, error: ProviderError) -> None:
    """Try again later, or fail where that does not help or the deadline is over."""
    if isinstance(error, Misconfigured) or not error.retryable:
        _fail(job, error)
        return
    if _is_late(job):
        _fail(job, ImportFailed(f"not read until the deadline: {error.detail}"))
        return
    delay = BACKOFF.delay(job.failures + 1, random.random())
    at = clock.now() + delay
    text = f"{error.detail}; next attempt at {at:%H:%M:%S} UTC"
    entry = Entry(Step.BACKEND_UNAVAILABLE, text, "warning", {"code": error.code})
    with transaction.atomic():
        import_jobs.guard(job, failures=job.failures + 1)
        lifecycle.postpone([job.pk], at, entry)
    import_jobs.release(job, not_before=Now() + delay)


def _fail(job: ZoneImport, error: DnsorchError) -> None:
    with transaction.atomic():
        import_jobs.guard(job, phase=ImportPhase.DONE)
        outcomes.fail(job.zone_id, {job.pk: error})
    import_jobs.end(job)


# --- taking ---------------------------------------------------------------------------


def _take(job: ZoneImport) -> bool:
    """Take the RRsets that come next; say whether there were any."""
    page = import_jobs.next_page(job, job.cursor)
    if not page.last:
        return False
    if job.source == ImportSource.FILE:
        with transaction.atomic():
            import_jobs.guard(job)
            _note(job, page, *import_files.take(job, page))
        return True
    right, wrong = acceptable(job.zone.name, page.given)
    with transaction.atomic():
        import_jobs.guard(job)
        found = adoption.adopt(job.zone, right, job.request, since=job.read_at)
        _note(job, page, found, wrong=wrong)
    return True


def acceptable(
    zone: str, images: Mapping[Key, Image]
) -> tuple[dict[Key, Image | None], dict[Key, DnsorchError]]:
    """Return the RRsets that dnsorch could have written, and why it could not others.

    An RRset of which one record is not acceptable is not: half of it is not what the
    server holds.
    """
    right: dict[Key, Image | None] = {}
    wrong: dict[Key, DnsorchError] = {}
    for key, image in images.items():
        try:
            record_types.lookup(key.type)
            texts = [
                rdata.parse(key.type, each, zone=zone).text for each in image.records
            ]
        except Invalid as error:
            wrong[key] = error
        else:
            right[key] = Image.of(image.ttl, texts)
    return right, wrong


def _note(
    job: ZoneImport,
    page: Page,
    found: Adopted,
    sent: int = 0,
    wrong: Mapping[Key, DnsorchError] = MappingProxyType({}),
) -> None:
    done = job.done + page.records
    tenth = import_jobs.passed(job, done)
    import_jobs.count(
        job,
        dict(sorted({**wrong, **found.refused}.items())),
        taken=len(found.taken),
        same=found.same,
        sent=sent,
        in_motion=len(found.in_motion),
        warnings=len(found.warnings),
    )
    import_jobs.guard(
        job, cursor=page.last, done=done, counts=job.counts, left_out=job.left_out
    )
    if tenth is not None:
        said = progress.progress(job)
        left = said["eta_s"]
        text = f"{tenth} %: {done} of {job.records} records"
        text += f", about {left} s left" if left else ""
        data = {name: said[name] for name in ("percent", "records", "total", "eta_s")}
        timeline.append([job.pk], Entry(Step.STORED, text, data=data))


def _finish(job: ZoneImport) -> None:
    """Close the request, or leave that to its parts.

    What was read from the server needs no other evidence.
    """
    with transaction.atomic():
        if not job.request.parts.exists():
            import_jobs.guard(job, phase=ImportPhase.DONE)
            lifecycle.move([job.pk], Status.VERIFYING, _results(job))
            outcomes.complete(job.zone_id, [job.pk], [])
        else:
            import_jobs.guard(job, phase=ImportPhase.WAITING)
            timeline.append([job.pk], *_results(job))
            lifecycle.close_parts(job.pk)
    import_jobs.end(job)


def _results(job: ZoneImport) -> list[Entry]:
    """Return what the timeline says of what became of the RRsets."""
    counts = job.counts
    said = {
        "taken": "taken over",
        "same": "were so already",
        "sent": "on their way to the server",
        "in_motion": "left to a change on its way",
    }
    parts = [f"{counts.get(name, 0)} {text}" for name, text in said.items()]
    entries = [Entry(Step.APPLIED, f"RRsets: {', '.join(parts)}", data=counts)]
    if left_out := counts.get("left_out", 0):
        text = f"{left_out} RRset(s) left out: dnsorch does not take them"
        data = {"left_out": job.left_out}
        entries.append(Entry(Step.VALIDATED, text, "warning", data))
    return entries


def hurry(request: Request) -> None:
    """Let the import of a request try again now."""
    ZoneImport.objects.filter(request=request).update(not_before=None)
