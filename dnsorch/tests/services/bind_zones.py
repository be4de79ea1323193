"""Further zones on both BINDs, while they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from string import Template

import httpx

from deploy.services import tsig
from deploy.services.bind import Bind, Primary, Secondary
from deploy.services.ports import HOST, Ports
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from dnsorch.tests.services.harness import RealStack

# Other hands may write there too, but for the marker.
PRIMARY = Template("""
zone "$zone" {
    type primary;
    file "$file";
    notify $notify;
    also-notify { $host port $secondary_port; };
    allow-transfer { key "$transfer"; key "$ours"; };
    update-policy {
        grant $ours zonesub ANY;
        deny * name _dnsorch.$zone TXT;
        grant $other zonesub ANY;
    };
};
""")
SECONDARY = Template("""
zone "$zone" {
    type secondary;
    file "$file";
    primaries { $host port $primary_port key "$transfer"; };
    allow-notify { $host; };
    allow-transfer { none; };
};
""")


def servers() -> list[str]:
    """Return the addresses of primary and secondary."""
    return [
        real.setting("DNSORCH_TEST_BIND"),
        real.setting("DNSORCH_TEST_BIND_SECONDARY"),
    ]


def of(stack: RealStack) -> tuple[Primary, Secondary]:
    """Return both services."""
    ports = Ports(stack.services / "ports.json")
    return Primary(stack.services, ports), Secondary(stack.services, ports)


@contextmanager
def added(stack: RealStack, zone: str, *, notify: bool = True) -> Iterator[str]:
    """Have both serve a zone, registered, until the end.

    Without ``notify`` the secondary looks for news by itself, after minutes.
    """
    primary, secondary = of(stack)
    file = primary.directory / f"{zone}zone"
    file.write_text(primary.render("zone", zone=zone))
    values = {
        "zone": zone,
        "host": HOST,
        "notify": "explicit" if notify else "no",
        "primary_port": primary.port,
        "secondary_port": secondary.port,
        "ours": tsig.OURS,
        "other": tsig.OTHER,
        "transfer": tsig.TRANSFER,
    }
    before = [
        (each, (each.directory / "named.conf").read_text())
        for each in (primary, secondary)
    ]
    try:
        for (each, text), template in zip(before, (PRIMARY, SECONDARY), strict=True):
            own = each.directory / f"{zone}zone"
            _configure(each, text + template.substitute(values, file=own))
        _register(stack, zone)
        yield zone
        _forget(stack, zone)
    finally:
        for each, text in before:
            _configure(each, text)
            for left in each.directory.glob(f"{zone}zone*"):
                left.unlink()


def served(stack: RealStack, name: str, rtype: str = "A") -> list[set[str]]:
    """Return what primary and secondary answer."""
    return [stack.resolve(name, rtype, server) for server in servers()]


def _configure(service: Bind, text: str) -> None:
    (service.directory / "named.conf").write_text(text)
    service.rndc("reconfig")


def _register(stack: RealStack, zone: str) -> None:
    until(lambda: all(served(stack, zone, "SOA")) or None, f"both have {zone}")
    body = {"name": zone, "backend": "embedded", "nameservers": servers()}
    with stack.client() as client:
        answer = client.post("/api/v2/zones/", json=body)
    assert answer.status_code == 201, answer.text


def _forget(stack: RealStack, zone: str) -> None:
    """Delete the zone, once the last change of it (an expiry, say) has ended."""
    with stack.client() as client:

        def answer() -> httpx.Response | None:
            got = client.delete(f"/api/v2/zones/{zone}/?force=true")
            return None if got.status_code == 409 else got

        deleted = until(answer, f"{zone} can be deleted")
    assert deleted.status_code < 300, deleted.text
