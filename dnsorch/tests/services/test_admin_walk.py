"""The life of a zone in the admin, in a real browser: drift, a plan, a revert."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.services import bind_zones
from dnsorch.tests.services.bind_zones import served
from dnsorch.tests.services.browser import Admin, unlabelled
from dnsorch.tests.services.harness import RealStack, change
from dnsorch.tests.services.test_admin_browser import admin, browser, session
from dnsorch.tests.services.test_zone_life import asked, edit, shown

__all__ = ["admin", "browser", "session"]  # fixtures

A, B = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def zone(stack: RealStack) -> Iterator[str]:
    """Give a zone of the test's own."""
    with bind_zones.added(stack, f"walk-{uuid.uuid4().hex[:8]}.test.") as zone:
        yield zone


def open_zone(admin: Admin, zone: str) -> None:
    """Open the page of a zone."""
    admin.page.goto("/admin/dns_records/zone/")
    admin.page.get_by_role("link", name=zone, exact=True).click()


def until_final(admin: Admin) -> str:
    """Wait for the request whose page is shown; return its state."""
    state: str = admin.stack.final(admin.request_id)["status"]
    admin.page.reload()
    return state


def test_drift_is_found_and_restored(admin: Admin, zone: str) -> None:
    stack, page = admin.stack, admin.page
    asked(stack, zone, *(change("create", name, "A", A) for name in ("gone", "kept")))
    edit(stack, zone, "gone")
    edit(stack, zone, "kept", B)
    open_zone(admin, zone)
    page.get_by_role("button", name="Audit").click()
    expect(page.locator(".messagelist")).to_be_visible()
    admin.shoot("zone-audited")
    found = {"gone", "kept", "ns1"}
    until(lambda: shown(stack, zone, "drift") == found or None, "it is found")

    page.get_by_role("link", name="Drift", exact=True).click()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(3)
    admin.shoot("drift")
    assert unlabelled(page) == []
    for name in ("gone", "kept"):
        rows.filter(has_text=f"{name}.{zone}").get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(
        label="Restore: write what is wanted again"
    )
    page.get_by_title("Run the selected action").click()
    expect(page.locator(".messagelist")).to_be_visible()
    admin.shoot("drift-restored")
    until(lambda: shown(stack, zone, "drift") == {"ns1"} or None, "it is resolved")
    for name in ("gone", "kept"):
        assert served(stack, f"{name}.{zone}") == [{A}] * 2


def test_an_rrset_is_planned_sent_and_reverted(admin: Admin, zone: str) -> None:
    stack, page, name = admin.stack, admin.page, f"www.{zone}"
    asked(stack, zone, change("create", "www", "A", A))
    open_zone(admin, zone)
    page.get_by_role("link", name="Write an RRset").click()
    page.get_by_label("Name").fill("www")
    page.get_by_label("Type").select_option("A")
    page.get_by_label("TTL").fill("120")
    page.get_by_label("Records").fill(f"{A}\n{B}")
    page.get_by_label("Comment").fill("a second address")
    admin.shoot("rrset-form")
    assert unlabelled(page) == []
    page.get_by_role("button", name="Show the plan").click()
    plan = page.get_by_role("table", name="Plan")
    expect(plan.locator("ins")).to_have_text([f"120 {A}", f"120 {B}"])
    admin.shoot("plan")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".messagelist")).to_contain_text("Sent as")
    assert until_final(admin) == "completed"
    assert served(stack, name) == [{A, B}] * 2
    admin.shoot("rrset-sent")

    page.get_by_role("link", name="Revert").click()
    expect(plan.locator("del")).to_have_count(2)
    admin.shoot("revert")
    page.get_by_role("button", name="Revert").click()
    expect(page.locator(".messagelist")).to_contain_text("Sent as")
    assert until_final(admin) == "completed"
    assert served(stack, name) == [{A}] * 2
    page.goto(f"/admin/dns_records/rrset/?zone={zone}")
    page.get_by_role("link", name=name).click()
    admin.shoot("rrset")
    page.get_by_role("link", name="Explain").click()
    expect(page.locator("#content")).to_contain_text("live on all 2 name servers")
    admin.shoot("explain")
