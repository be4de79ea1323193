"""The admin in a real browser, on the real services: what an operator does there."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from playwright.sync_api import Browser, StorageState, expect

from deploy.services import tsig
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import TOPICS, until
from dnsorch.tests.services.browser import Admin, chromium, unlabelled
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique

HELD = "held.test."
BROKEN = "127.0.0.1:1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once; its event loop must not outlive this module."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def session(browser: Browser, shared: RealStack) -> StorageState:
    """Log in by the form, once; return the cookies."""
    admin = Admin(browser, shared)
    admin.log_in()
    state = admin.page.context.storage_state()
    admin.page.context.close()
    return state


@pytest.fixture
def admin(browser: Browser, stack: RealStack, session: StorageState) -> Iterator[Admin]:
    """Give a window of somebody who is logged in; no script may fail in it."""
    admin = Admin(browser, stack, session)
    yield admin
    assert admin.errors == []
    admin.page.context.close()


@pytest.fixture(scope="module")
def held(shared: RealStack) -> str:
    """Register a zone whose update server does not listen: its lane waits."""
    shared.shell(f"""
from dns_records.services import backends, zones
host, port = {BROKEN!r}.split(":")
options = {{"server": host, "port": int(port), "key_name": "dnsorch."}}
secret = "file:{shared.directory / "tsig.secret"}"
backend = backends.save(
    name="held", driver="rfc2136", options=options, secret_reference=secret
)
zones.register(name={HELD!r}, backend=backend, nameservers=[{BROKEN!r}])
print("null")
""")
    return HELD


def traced(stack: RealStack, name: str, zone: str = ZONE) -> tuple[str, str]:
    """Ask for an address; return the request's id and its correlation id."""
    correlation = f"browser-{uuid.uuid4().hex[:8]}"
    body = {"zone": zone, "changes": [change("create", name, "A", "192.0.2.1")]}
    with stack.client() as client:
        answer = client.post(
            "/api/v2/changesets/", json=body, headers={"X-Request-ID": correlation}
        )
    assert answer.status_code == 202, answer.text
    return answer.json()["id"], correlation


def test_a_request_is_found_by_its_correlation_id_and_read(admin: Admin) -> None:
    name = unique("browser")
    request_id, correlation = traced(admin.stack, name)
    assert admin.stack.final(request_id)["status"] == "completed"
    admin.page.goto("/admin/")
    admin.shoot("index")
    admin.page.get_by_role("link", name="Requests", exact=True).click()
    admin.shoot("requests")
    assert unlabelled(admin.page) == []
    admin.open_request(correlation)
    assert admin.request_id == request_id
    headline = admin.page.locator(".dnsorch-headline")
    expect(headline).to_contain_text(f"{name} A")
    expect(headline).to_contain_text("done")
    steps = admin.steps()
    assert (steps[0], steps[-1]) == ("received", "completed")
    assert {"enqueued", "sent", "applied", "verified"} <= set(steps)
    changes = admin.page.get_by_role("table", name="Changes")
    primary = real.setting("DNSORCH_TEST_BIND")
    secondary = real.setting("DNSORCH_TEST_BIND_SECONDARY")
    for address in (primary, secondary):
        seen = changes.get_by_text(re.compile(rf"{address} \d\d:\d\d:\d\d\.\d{{3}}"))
        expect(seen).to_be_visible()
    admin.shoot("request-completed")
    assert unlabelled(admin.page) == []


def test_a_failed_request_is_retried_as_a_new_one(admin: Admin) -> None:
    """What BIND ignores fails; once the obstacle is gone, the retry succeeds."""
    stack, name = admin.stack, unique("retry")
    primary = real.setting("DNSORCH_TEST_BIND")
    stack.update(primary, tsig.OTHER, ZONE, name, "60", "CNAME", "a.example.net.")
    request_id, correlation = traced(stack, name)
    assert stack.final(request_id)["status"] == "failed"
    admin.open_request(correlation)
    reason = admin.page.locator(".dnsorch-reason").first
    expect(reason).to_contain_text(name)
    admin.shoot("request-failed")
    stack.remove(primary, tsig.OTHER, ZONE, name, "CNAME")
    # By keyboard: the button has to be reached and to show it.
    button = admin.page.get_by_role("button", name="Retry as a new request")
    button.focus()
    admin.page.keyboard.press("Enter")
    expect(admin.page.locator(".messagelist")).to_contain_text("asked for again")
    again = admin.request_id
    assert again != request_id
    expect(admin.page.get_by_role("link", name=request_id)).to_be_visible()
    admin.shoot("request-retried")
    assert stack.final(again)["status"] == "completed"
    assert stack.resolve(name) == {"192.0.2.1"}


def test_a_queued_request_is_cancelled(admin: Admin, held: str) -> None:
    request_id, correlation = traced(admin.stack, unique("cancel", held), held)
    waits = {"unavailable", "misconfigured"}

    def lane() -> bool | None:
        state = admin.stack.get(f"/api/v2/zones/{held}/")["lane"]["state"]
        request = admin.stack.get(f"/api/v2/requests/{request_id}/")
        return True if state in waits and request["status"] == "queued" else None

    until(lane, "the lane is known to be unavailable")
    admin.open_request(correlation)
    expect(admin.page.locator(".dnsorch-headline")).to_contain_text("waits to be sent")
    expect(admin.page.locator(".dnsorch-reason")).to_contain_text("unavailable")
    admin.shoot("request-queued")
    admin.page.get_by_role("button", name="Cancel").click()
    expect(admin.page.locator(".messagelist")).to_contain_text("cancelled")
    expect(admin.page.get_by_role("button", name="Cancel")).to_have_count(0)
    admin.shoot("request-cancelled")
    assert admin.stack.final(request_id)["status"] == "cancelled"
    admin.page.goto("/admin/dns_records/lane/")
    admin.shoot("lanes")


def test_the_name_servers_of_a_zone_are_checked(admin: Admin, held: str) -> None:
    primary = real.setting("DNSORCH_TEST_BIND")
    secondary = real.setting("DNSORCH_TEST_BIND_SECONDARY")
    admin.page.goto("/admin/dns_records/zone/")
    admin.page.get_by_role("link", name=ZONE, exact=True).click()
    admin.shoot("zone")
    assert unlabelled(admin.page) == []
    admin.page.get_by_role("button", name="Check name servers").click()
    # The page loads itself anew until the worker has answered.
    expect(admin.page.get_by_role("heading", name="Outcome")).to_be_visible()
    for address in (primary, secondary):
        row = admin.page.get_by_role("row").filter(has_text=address)
        expect(row).to_contain_text(re.compile(r"answers with authority, serial \d+"))
        expect(row.locator(".dnsorch-badge")).to_have_text("ok")
    expect(admin.page.locator(".dnsorch-headline")).to_contain_text("by admin")
    admin.shoot("check-ok")
    admin.page.locator(".dnsorch-headline").get_by_role("link", name=ZONE).click()
    last = admin.page.get_by_label("Last check").get_by_role("listitem")
    expect(last).to_contain_text([primary, secondary])
    admin.shoot("zone-checked")
    admin.page.get_by_role("link", name="Checks").click()
    expect(admin.page.locator("#result_list tbody tr")).to_have_count(1)
    admin.shoot("checks")


def test_a_check_of_several_zones_says_what_is_wrong(admin: Admin, held: str) -> None:
    admin.page.goto("/admin/dns_records/zone/")
    for zone in (ZONE, held):
        row = admin.page.locator("#result_list tr").filter(has_text=zone)
        row.get_by_role("checkbox").check()
    label = "Check the name servers of selected zones"
    admin.page.locator("select[name=action]").select_option(label=label)
    admin.shoot("zones")
    admin.page.get_by_role("button", name="Go", exact=True).click()
    expect(admin.page.get_by_role("heading", name="Outcome")).to_be_visible()
    row = admin.page.get_by_role("row").filter(has_text=BROKEN)
    expect(row).to_contain_text("gives no answer over TCP: Connection refused")
    expect(row.locator(".dnsorch-badge")).to_have_text("problem")
    headline = admin.page.locator(".dnsorch-headline")
    expect(headline).to_contain_text("2 of 3 name servers as they should be")
    admin.shoot("check-problem")


def test_a_dead_letter_is_put_back_and_becomes_a_request(admin: Admin) -> None:
    """A request for a zone that nobody has registered, until somebody does."""
    stack, zone = admin.stack, f"late-{uuid.uuid4().hex[:8]}.test."
    key, name = f"key-{zone}", f"www.{zone}"
    body = {"zone": zone, "changes": [change("create", name, "A", "192.0.2.1")]}
    producer = Producer({"bootstrap.servers": stack.about["kafka"]})
    for number in range(2):
        producer.produce(
            TOPICS[0],
            key=zone,
            value=json.dumps(body),
            headers={"idempotency-key": f"{key}{number or ''}"},
        )
    assert producer.flush(30) == 0
    producer.close()

    def dead() -> bool | None:
        found = [
            each for each in stack.messages(TOPICS[2]) if each.key() == zone.encode()
        ]
        return True if len(found) == 2 else None

    until(dead, "both messages are in the dead-letter topic")
    stack.shell(f"""
from dns_records.models import Backend
from dns_records.services import zones
backend = Backend.objects.get(name="embedded")
zones.register(name={zone!r}, backend=backend, verify_policy="none", nameservers=[])
print("null")
""")
    admin.page.goto("/admin/")
    admin.page.get_by_role("link", name="Dead letters", exact=True).click()
    row = admin.page.get_by_role("row").filter(has_text=zone)
    expect(row).to_have_count(2)
    expect(row.first).to_contain_text("zone_not_found")
    row.first.get_by_text("show").click()
    expect(row.first).to_contain_text(name)
    admin.shoot("dead-letters")
    assert unlabelled(admin.page) == []
    row.first.get_by_role("checkbox").check()
    admin.page.get_by_role("button", name="Put the chosen ones back").click()
    expect(admin.page.get_by_role("heading", name="Outcome")).to_be_visible()
    headline = admin.page.locator(".dnsorch-headline")
    expect(headline).to_contain_text("1 of 1 put back")
    admin.shoot("replayed")

    def accepted() -> list[str] | None:
        found = stack.every("/api/v2/requests/", since=stack.since, zone=zone)
        states = [each["status"] for each in found if each["status"] != "rejected"]
        return states or None

    assert len(until(accepted, "the letter became a request")) == 1


def test_without_the_broker_nothing_is_started(admin: Admin) -> None:
    page = admin.page
    page.goto("/admin/operator_tasks/operatortask/")
    before = page.locator("#result_list tbody tr").count()
    admin.stack.kill("broker")
    try:
        page.goto("/admin/dns_records/zone/")
        page.get_by_role("link", name=ZONE, exact=True).click()
        page.get_by_role("button", name="Check name servers").click()
        told = page.locator(".messagelist")
        expect(told).to_contain_text("The broker takes no tasks now")
        admin.shoot("broker-away")
    finally:
        admin.stack.start("broker")
    page.goto("/admin/operator_tasks/operatortask/")
    expect(page.locator("#result_list tbody tr")).to_have_count(before)
