"""Explaining RRsets on BIND and its secondary, and reverting what was done there."""

from __future__ import annotations

from typing import Any

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique

A1, A2 = "192.0.2.1", "192.0.2.2"
SECONDARY = "DNSORCH_TEST_BIND_SECONDARY"


def explained(stack: RealStack, name: str, rtype: str = "A") -> Any:
    """Return what the API says of an RRset."""
    return stack.get("/api/v2/explain/", name=name, type=rtype)


def test_live_on_both_reverted_and_gone_from_both(stack: RealStack) -> None:
    name = unique("explain")
    made = stack.ask([change("create", name, "A", A1)])
    assert stack.final(made)["status"] == "completed"
    found = explained(stack, name)
    assert found["explanation"].startswith("live on all 2 name servers since 20")
    assert (found["live"], found["last_request"]["id"]) == (True, made)
    servers = [real.setting("DNSORCH_TEST_BIND"), real.setting(SECONDARY)]
    assert [each["address"] for each in found["nameservers"]] == servers

    with stack.client() as client:
        answer = client.post(f"/api/v2/requests/{made}/revert/")
    assert stack.final(answer.json()["id"])["status"] == "completed"
    assert [stack.resolve(name, server=server) for server in servers] == [set()] * 2
    gone = explained(stack, name)
    assert gone["explanation"].startswith("gone from all 2 name servers since 20")

    url = f"/api/v2/zones/{ZONE}/rrsets/{name}/A/history/"
    changes = stack.get(url)["results"]
    assert [each["request_id"] for each in changes] == [answer.json()["id"], made]


def test_what_others_put_there_hides_or_answers(stack: RealStack) -> None:
    cut, wild = unique("cut"), unique("wild")
    stack.final(
        stack.ask(
            [
                change("create", cut, "NS", "ns.example.net."),
                change("create", f"*.{wild}", "A", A1),
            ]
        )
    )
    until(lambda: stack.resolve(f"x.{wild}", server=real.setting(SECONDARY)), "there")
    hidden = explained(stack, f"www.{cut}")["explanation"]
    assert hidden == f"hidden by the delegation of {cut}"
    answered = explained(stack, f"x.{wild}")
    assert (
        answered["explanation"] == f"absent, as wanted; the wildcard *.{wild} answers"
    )
    assert [each["answer"] for each in answered["nameservers"]] == [
        {"ttl": 60, "records": [A1]}
    ] * 2
