"""PowerDNS by DNS UPDATE, beside BIND in the same stack."""

from __future__ import annotations

import re

import httpx
import pytest

from deploy.services import tsig
from dnsorch.tests import real
from dnsorch.tests.services.harness import RealStack, change, unique


@pytest.fixture
def zone(stack: RealStack) -> str:
    """Register the zone of PowerDNS, once."""
    name, server = real.setting("DNSORCH_TEST_PDNS_ZONE"), address()
    host, _, port = server.rpartition(":")
    reference = f"file:{real.setting('DNSORCH_TEST_TSIG_SECRET_FILE')}"
    options = {
        "server": host,
        "port": int(port),
        "key_name": tsig.OURS,
        "check_names": False,
        "unwritable_types": ["CDNSKEY", "CDS", "DNSKEY"],
    }
    stack.shell(f"""
from dns_records.services import backends
backends.save(
    name="powerdns", driver="rfc2136", options={options!r},
    secret_reference={reference!r},
)
print(json.dumps(None))
""")
    body = {"name": name, "backend": "powerdns", "nameservers": [server]}
    with stack.client() as client:
        answer = client.post("/api/v2/zones/", json=body)
    assert answer.status_code in (201, 409), answer.text
    return name


def address() -> str:
    """Return where PowerDNS is."""
    return real.setting("DNSORCH_TEST_PDNS")


def status(stack: RealStack, zone: str, *changes: dict[str, object]) -> str:
    """Ask for changes; return the final state."""
    found: str = stack.final(stack.ask(changes, zone))["status"]
    return found


def test_a_change_set_is_live_replaced_and_removed(stack: RealStack, zone: str) -> None:
    www, alias, mail = (unique(each, zone) for each in ("www", "alias", "mail"))
    created = status(
        stack,
        zone,
        change("create", www, "A", "192.0.2.1", "192.0.2.2"),
        change("create", alias, "CNAME", www),
        change("create", mail, "MX", f"10 {www}"),
        change("create", mail, "TXT", '"v=spf1 -all"'),
    )
    assert created == "completed"
    assert stack.resolve(www, server=address()) == {"192.0.2.1", "192.0.2.2"}
    assert stack.resolve(alias, "CNAME", server=address()) == {www}
    assert stack.resolve(mail, "MX", server=address()) == {f"10 {www}"}
    assert stack.resolve(mail, "TXT", server=address()) == {'"v=spf1 -all"'}

    assert status(stack, zone, change("replace", www, "A", "192.0.2.3")) == "completed"
    assert stack.resolve(www, server=address()) == {"192.0.2.3"}

    assert status(stack, zone, change("delete", www, "A")) == "completed"
    assert stack.resolve(www, server=address()) == set()
    (marker,) = stack.resolve(f"_dnsorch.{zone}", "TXT", server=address())
    assert re.fullmatch(r'"v1 \d+ \d+"', marker)


def test_a_change_that_powerdns_refuses_spoils_no_other(
    stack: RealStack, zone: str
) -> None:
    clash = unique("clash", zone)
    put_cname(zone, clash)
    names = [unique("good", zone) for _ in range(10)]
    wanted = [*names[:5], clash, *names[5:]]
    requests = [
        stack.ask([change("create", name, "A", "192.0.2.1")], zone) for name in wanted
    ]
    finals = {name: stack.final(each) for name, each in zip(wanted, requests)}
    assert {finals[name]["status"] for name in names} == {"completed"}
    assert finals[clash]["status"] == "failed"
    assert "REFUSED" in str(finals[clash]["error"]) or "FORMERR" in str(
        finals[clash]["error"]
    )
    for name in names:
        assert stack.resolve(name, server=address()) == {"192.0.2.1"}


def put_cname(zone: str, name: str) -> None:
    """Put a record where dnsorch does not know of it, by the HTTP API."""
    url = real.setting("DNSORCH_TEST_PDNS_API_URL")
    with open(real.setting("DNSORCH_TEST_PDNS_API_KEY_FILE")) as file:
        key = file.read().strip()
    records = [{"content": "a.example.net.", "disabled": False}]
    rrset = {"name": name, "type": "CNAME", "ttl": 60, "changetype": "REPLACE"}
    httpx.patch(
        f"{url}/api/v1/servers/localhost/zones/{zone}",
        headers={"X-API-Key": key},
        json={"rrsets": [{**rrset, "records": records}]},
    ).raise_for_status()


def test_what_bind_would_refuse_is_live_and_what_it_drops_is_refused(
    stack: RealStack, zone: str
) -> None:
    """It has no check-names; CDS and CDNSKEY of an UPDATE it leaves out."""
    name = unique("under_score", zone)
    assert status(stack, zone, change("create", name, "A", "192.0.2.1")) == "completed"
    assert stack.resolve(name, server=address()) == {"192.0.2.1"}
    digest = f"12345 13 2 {'aa' * 32}"
    body = {"zone": zone, "changes": [change("create", zone, "CDS", digest)]}
    with stack.client() as client:
        answer = client.post("/api/v2/changesets/", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "unsupported_by_backend"
