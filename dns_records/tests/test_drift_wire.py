"""Foreign edits by nsupdate, found, adopted and restored over the wire.

On the development name server; on BIND with a secondary where the services are.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from deploy.services import bind, tsig
from deploy.services.ports import HOST
from dns_records.models import AuditTask, Drift, Lane, Zone
from dns_records.services import audits, serial_watch, zones
from dns_records.tests.callers import caller
from dns_records.tests.provider_services import ZONE
from dns_records.tests.test_shapes import Place, place
from dns_records.tests.world import add, draft, fresh, post
from dnsorch.tests.e2e.harness import until
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db
__all__ = ["place"]  # the fixture

A, B = "192.0.2.1", "192.0.2.2"
AT = f"/api/v2/zones/{ZONE}/drift/"


@pytest.fixture
def served(place: Place, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place, with a secondary that has to follow where there is one."""
    if "bind" not in request.node.callspec.id:
        yield place
        return
    daemon = request.getfixturevalue("daemons").server("bind").daemon
    secondary = bind.Secondary(daemon.root, daemon.ports)
    secondary.up()
    try:
        servers = [f"{HOST}:{place.port}", f"{HOST}:{secondary.port}"]
        place.zone = zones.change(place.zone, {"nameservers": servers})
        yield place
    finally:
        secondary.down()


def edit(place: Place, name: str, *records: str) -> None:
    """Have other hands give an A RRset other records, or none."""
    key = dns.tsig.Key(tsig.OURS, place.secret)
    message = dns.update.UpdateMessage(ZONE, keyring={key.name: key})
    message.delete(name, "A")
    if records:
        message.add(name, 300, "A", *records)
    answer = dns.query.tcp(message, HOST, 5, place.port)
    assert answer.rcode() == dns.rcode.NOERROR


def finished(place: Place, request_id: str) -> Request:
    """Work until a request is final."""

    def final() -> Request | None:
        AuditTask.objects.update(due_at="2026-01-01T00:00:00Z")
        audits.run_due(place.zone.pk)
        for each in Request.objects.filter(action="reconcile"):
            place.deliver(each)
        found = Request.objects.get(pk=request_id)
        return found if found.is_final else None

    return until(final, "it is final", 15)


def open_drift(zone: Zone) -> list[tuple[str, str]]:
    """Return the kind and first label of what is open."""
    rows = Drift.objects.filter(zone=zone, resolved_at__isnull=True).order_by("name")
    return [(row.kind, row.name.split(".")[0]) for row in rows]


def test_the_serial_tells_of_an_edit_and_one_is_adopted_another_restored(
    served: Place,
) -> None:
    place, api = served, caller()
    request = post(*(draft("add", name, "A", A) for name in ("gone", "kept", "same")))
    assert place.deliver(request).status == "completed"
    serial_watch.look(place.zone.pk)
    assert Lane.objects.get().audit_at is None

    edit(place, "gone")
    edit(place, "kept", B)
    edit(place, "theirs", B)
    Lane.objects.update(watch_at=None)
    serial_watch.look(place.zone.pk)
    assert "and not by us" in Lane.objects.get().audit_reason
    audits.run_due(place.zone.pk)

    # The server begins with an address of ns1.
    found = [("missing", "gone"), ("different", "kept"), ("extra", "theirs")]
    assert [each for each in open_drift(place.zone) if each[1] != "ns1"] == found
    (told,) = Request.objects.filter(action="audit")
    assert (told.source, told.status) == ("schedule", "completed")

    def resolve(by: str, *names: str) -> Request:
        records = [{"name": name, "type": "A"} for name in names]
        answer = api.post(
            f"{AT}resolve/", {"by": by, "records": records}, format="json"
        )
        assert answer.status_code == 202, answer.json()
        return finished(place, answer.json()["id"])

    assert resolve("adopt", "kept", "theirs").status == "completed"
    assert resolve("restore", "gone").status == "completed"
    if ("extra", "ns1") in open_drift(place.zone):
        assert resolve("adopt", "ns1").status == "completed"
    answer = api.post(f"/api/v2/zones/{ZONE}/audit/")
    done = finished(place, answer.json()["id"])
    assert done.status == "completed"
    assert done.events.get(step="verified").data["differences"] == []
    for name in ("gone", "kept", "theirs", "same"):
        assert place.holds(f"{name}.{ZONE}", "A")
    row = fresh(add("kept", A))
    assert place.deliver(row).status == "completed"


def test_a_shared_zone_keeps_what_others_wrote(place: Place) -> None:
    place.zone = zones.change(place.zone, {"mode": "shared"})
    place.deliver(post(draft("add", "www", "A", A)))
    edit(place, "www", B)

    failed, done = post(draft("put", "www", "A", "192.0.2.3")), add("other", A)
    place.deliver(done)

    row = fresh(failed)
    assert (row.status, row.error_code, fresh(done).status) == (
        "failed",
        "conflict",
        "completed",
    )
    assert row.error is not None
    assert row.error["conflicts"] == [
        {
            "name": f"www.{ZONE}",
            "type": "A",
            "expected": {"ttl": 300, "records": [A]},
            "served": {"ttl": 300, "records": [B]},
        }
    ]
