"""Redis killed and started again while requests come in."""

from __future__ import annotations

from dnsorch.tests.e2e.harness import in_parallel, until
from dnsorch.tests.e2e.test_crashes import Names, post
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique

HINT = f"""
from dnsorch.celery import app
from dns_records.models import Zone
app.send_task("dns_records.deliver", args=[Zone.objects.get(name={ZONE!r}).pk])
print(json.dumps(None))
"""


def test_a_restart_in_the_middle_loses_nothing(stack: RealStack) -> None:
    names = Names()
    posts = in_parallel(
        lambda item: post(stack, *item, names.keys[item[0]]),
        list(names.values.items()),
    )
    for some in (20, 50):
        until(lambda: sum(each.done() for each in posts) >= some or None, f"{some}")
        stack.kill("broker")
        stack.start("broker")
    assert {each.result() for each in posts} == {202}
    names.check(stack)


def test_the_worker_takes_hints_again(stack: RealStack) -> None:
    stack.kill("broker")
    stack.start("broker")
    # Without the sweep, a request goes on by its hint or not at all.
    stack.kill("sweep")
    try:
        ping = "from dnsorch.celery import app\n"
        ping += "print(json.dumps(app.control.ping(timeout=2)))"
        until(lambda: stack.shell(ping) or None, "the worker answers")
        request_id = stack.ask([change("create", unique("hint"), "A", "192.0.2.1")])
        # The API may have found the broker away, and gives no hint for a while.
        stack.shell(HINT)
        assert stack.final(request_id)["status"] == "completed"
    finally:
        stack.start("sweep")
