"""Route 53 in a thread: moto's server, with the rules that moto leaves out.

moto applies a change batch change by change, takes a DELETE of whatever was there at
any time, and a CREATE of what is there. As AWS documents the call, a batch is checked
as a whole against what the zone holds now, then all of it happens or nothing, and
batches of one zone are handled one after the other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from moto.moto_api._internal import mock_random
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import RecordSet, Route53Backend, route53_backends
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
MAX_VALUES, MAX_CHARACTERS = 1000, 32_000
State = dict[tuple[str, str], dict[str, Any]]


class Route53:
    """The server, and the handle to make it misbehave."""

    def __init__(self, endpoint_url: str) -> None:
        """Behave, with no hosted zones."""
        self.endpoint_url = endpoint_url
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Leave the first hosted zone, with nothing but its apex; forget faults."""
        for zone_id in list(self.backend.zones)[1:]:
            del self.backend.zones[zone_id]
        for zone in self.backend.zones.values():
            made = [each for each in zone.rrsets if each.type == "SOA"]
            made.append(_record_set(_apex_ns(zone.name)))
            zone.rrsets = made
        self.batches: list[list[dict[str, Any]]] = []
        self.calls: list[str] = []
        self.denied: frozenset[str] | None = frozenset()
        self.ignored: str | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.errors: list[Route53ClientError] = []

    @property
    def backend(self) -> Route53Backend:
        """What moto keeps."""
        return route53_backends[ACCOUNT]["aws"]

    def create(self, zone: str) -> str:
        """Create a hosted zone and return its id."""
        made = self.backend.create_hosted_zone(
            name=zone,
            private_zone=False,
            caller_reference=mock_random.get_random_hex(8),
        )
        return made.id.removeprefix("/hostedzone/")

    def held(self, zone: str) -> State:
        """Return the record sets of the only hosted zone of that name."""
        (found,) = (z for z in self.backend.zones.values() if z.name == zone)
        return _state(found)

    def change(self, zone_id: str, batch: list[dict[str, Any]]) -> None:
        """Carry out a change batch, or refuse it."""
        with self.lock:
            self.calls.append("ChangeResourceRecordSets")
            zone = self.backend.get_hosted_zone(zone_id)
            if self.errors:
                raise self.errors.pop(0)
            names = {each["ResourceRecordSet"]["Name"] for each in batch}
            if self.denied is None or self.denied & names:
                raise Route53ClientError("AccessDenied", "not authorized to perform")
            state = _state(zone)
            wrong = _carry_out(state, batch, zone.name, self.ignored)
            if wrong:
                raise Route53ClientError("InvalidChangeBatch", f"[{', '.join(wrong)}]")
            zone.rrsets = [_record_set(each) for each in state.values()]
            self.batches.append(batch)
        self.answers.wait(10)


def _apex_ns(zone: str) -> dict[str, Any]:
    records = ["ns-1.awsdns.example.", "ns-2.awsdns.example."]
    return {"Name": zone, "Type": "NS", "TTL": 172_800, "ResourceRecords": records}


def _record_set(fields: dict[str, Any]) -> RecordSet:
    return RecordSet(fields)  # type: ignore[abstract]


def _state(zone: Any) -> State:
    return {
        (each.name, each.type): {
            "Name": each.name,
            "Type": each.type,
            "TTL": each.ttl,
            "ResourceRecords": each.records,
            "AliasTarget": each.alias_target,
        }
        for each in zone.rrsets
    }


def _carry_out(
    state: State, batch: list[dict[str, Any]], zone: str, ignored: str | None
) -> list[str]:
    """Change ``state`` and return what is wrong with the batch."""
    wrong = []
    values = characters = 0
    for each in batch:
        record_set = each["ResourceRecordSet"]
        key = record_set["Name"], record_set["Type"]
        what = f"resource record set [name='{key[0]}', type='{key[1]}']"
        given = [record["Value"] for record in record_set["ResourceRecords"]]
        weight = 2 if each["Action"] == "UPSERT" else 1
        values += weight * len(given)
        characters += weight * sum(map(len, given))
        if not ("." + key[0]).endswith("." + zone):
            wrong.append(
                f"RRSet with DNS name {key[0]} is not permitted in zone {zone}"
            )
        if each["Action"] == "DELETE":
            held = state.pop(key, None)
            if held is None:
                wrong.append(f"Tried to delete {what} but it was not found")
            elif (held["TTL"], sorted(held["ResourceRecords"])) != (
                record_set["TTL"],
                sorted(given),
            ):
                wrong.append(
                    f"Tried to delete {what} but the values provided do not match the "
                    "current values"
                )
        else:
            if each["Action"] == "CREATE" and key in state:
                wrong.append(f"Tried to create {what} but it already exists")
            if key[0] != ignored:
                state[key] = {**record_set, "ResourceRecords": given}
    aliases = {name for name, rtype in state if rtype == "CNAME"}
    if clash := aliases & {name for name, rtype in state if rtype != "CNAME"}:
        wrong.append(f"RRSet of type CNAME with DNS name {clash} conflicts with other")
    if values > MAX_VALUES or characters > MAX_CHARACTERS:
        wrong.append("Number of records or characters limit exceeded.")
    return wrong


@contextmanager
def running() -> Iterator[Route53]:
    """Run the server on a port of the loopback."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    route53 = Route53("http://%s:%d" % server.get_host_and_port())
    listing = Route53Backend.list_resource_record_sets

    def change(_: Route53Backend, zoneid: str, change_list: Any) -> None:
        route53.change(zoneid, change_list)

    def count(backend: Route53Backend, *args: Any, **kwargs: Any) -> Any:
        route53.calls.append("ListResourceRecordSets")
        return listing(backend, *args, **kwargs)

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with (
        # It wants only errors of the service's own model; AccessDenied is everyone's.
        mock.patch("moto.core.errors.warn"),
        mock.patch.object(Route53Backend, "change_resource_record_sets", change),
        mock.patch.object(Route53Backend, "list_resource_record_sets", count),
    ):
        yield route53
    route53.backend.zones.clear()
    server.stop()
    assert server._server is not None
    server._server.server_close()
