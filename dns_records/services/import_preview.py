"""What an import would do: counted, and nothing stored or sent."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from dns_records import drift, zone_files
from dns_records.images import Image, Key
from dns_records.models import Zone
from dns_records.plan import Operation
from dns_records.providers import registry
from dns_records.providers.errors import ProviderError
from dns_records.services import adoption, imports, wanted, zones
from dns_records.services.import_jobs import MAX_LEFT_OUT, PAGE
from dns_records.services.import_run import acceptable
from dns_records.services.imports import Order
from dns_records.tcp import Deadline
from dns_records.zone_files import Mistake
from dnsorch.exceptions import DnsorchError, Invalid
from dnsorch.tokens.access import Access


class DryRunTooLong(Invalid):
    """The zone is so large that nobody waits for its dry run."""

    code = "dry_run_too_long"


class ServerNotRead(DnsorchError):
    """The zone's server cannot be read now."""

    code = "backend_unreachable"
    status = 503
    retryable = True


@dataclass
class Preview:
    """Counts RRsets by what would become of them, a page at a time.

    An RRset whose parts come far from each other is counted for each of them.
    """

    zone: Zone
    within_s: float | None
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("new", "changed", "same", "left_out", "own"), 0
        )
    )
    records: int = 0
    refused: dict[Key, DnsorchError] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    _page: dict[Key, tuple[int, set[str]]] = field(default_factory=dict)
    _lines: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._deadline = None if self.within_s is None else Deadline(self.within_s)

    def add(self, key: Key, ttl: int, *records: str, line: int = 0) -> None:
        """Take a part of an RRset.

        Raises:
            DryRunTooLong: it takes too long.
        """
        if len(self._page) >= PAGE and key not in self._page:
            self.flush()
        _, texts = self._page.setdefault(key, (ttl, set()))
        texts.update(records)
        self._lines.setdefault(key, line)
        self.records += len(records)

    def flush(self) -> None:
        """Judge what has come.

        Raises:
            DryRunTooLong: it takes too long.
        """
        page, self._page = self._page, {}
        lines, self._lines = self._lines, {}
        if self._deadline is not None and self._deadline.is_over:
            raise DryRunTooLong(
                f"the dry run takes more than {self.within_s:g} s: "
                f"use manage.py import_zone {self.zone.name} --dry-run"
            )
        images = {
            key: Image(ttl, tuple(sorted(texts))) for key, (ttl, texts) in page.items()
        }
        right, wrong = acceptable(self.zone.name, images)
        with transaction.atomic():
            self._compare(right, wrong)
            transaction.set_rollback(True)
        for key, error in wrong.items():
            self.refused.setdefault(key, error)
            self.mistakes.append(Mistake(lines[key], error.code, error.detail))

    def _compare(
        self, right: Mapping[Key, Image | None], wrong: dict[Key, DnsorchError]
    ) -> None:
        locked = wanted.lock(self.zone, {key.name for key in right})
        found = locked.images()
        operations = [
            Operation("put", key, image.ttl, image.records)
            for key, image in right.items()
            if image is not None and found.get(key) != image
        ]
        planned, refused = adoption.plan_apart(locked, operations)
        wrong |= refused
        new = sum(1 for key in planned.images if found.get(key) is None)
        self.counts["new"] += new
        self.counts["changed"] += len(planned.images) - new
        self.counts["same"] += len(right) - len(operations)
        self.counts["left_out"] += len(wrong)

    def as_dict(self, source: str) -> dict[str, Any]:
        """Return the answer to a dry run."""
        first = list(self.refused.items())[:MAX_LEFT_OUT]
        return {
            "zone": self.zone.name,
            "source": source,
            "records": self.records,
            "counts": self.counts,
            "left_out": [
                {
                    "name": key.name,
                    "type": key.type,
                    "code": error.code,
                    "detail": error.detail,
                }
                for key, error in first
            ],
        }


def preview(order: Order, *, access: Access, within_s: float | None) -> dict[str, Any]:
    """Return what an import would do, as JSON, if that is known in ``within_s``.

    Raises:
        DnsorchError: what the real import would be rejected with.
        InvalidZoneFile: the file is wrong; the real import may find that later.
        ServerNotRead: the server does not tell.
        DryRunTooLong: it takes too long.
    """
    zone = zones.get_for_write(access, order.zone)
    source = imports.source_of(zone, order)
    found = Preview(zone, within_s)
    try:
        if order.file is not None:
            _read_file(found, order)
        else:
            _read_server(found)
    except ProviderError as error:
        raise ServerNotRead(error.detail, code=error.code) from error
    return found.as_dict(source.value)


def _read_file(found: Preview, order: Order) -> None:
    assert order.file is not None

    def take(key: Key, ttl: int, text: str, line: int) -> None:
        found.add(key, ttl, text, line=line)

    order.file.seek(0)
    text = io.TextIOWrapper(order.file, encoding="utf-8")
    reading = zone_files.read(text, found.zone.name, take)
    text.detach()
    reading.raise_if_wrong()
    found.flush()
    found.counts["own"] = reading.own
    if found.mistakes:
        raise zone_files.refusal(found.mistakes)


def _read_server(found: Preview) -> None:
    zone, backend = found.zone, found.zone.backend
    provider = registry.for_backend(
        backend.driver, backend.options, backend.secret_reference
    )
    for part in provider.read_zone(zone.name):
        key = Key(part.name, part.type)
        if drift.is_compared(zone.name, key):
            found.add(key, part.ttl, *part.records)
        else:
            found.counts["own"] += 1
    found.flush()
