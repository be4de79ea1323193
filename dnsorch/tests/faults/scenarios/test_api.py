"""The API dies, is restarted, and is asked the same thing by many at once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dnsorch.tests.e2e.harness import free_ports, until
from dnsorch.tests.faults.evidence import Asked
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import PROCESSES, FaultStack, await_fired
from dnsorch.tests.services.harness import ZONE

AT_ONCE = 50


@pytest.mark.parametrize(
    ("door", "rest", "kafka"), [("client", 1, 0), ("consumer", 0, 1)]
)
def test_killed_between_commit_and_answer(
    run: Run, stack: FaultStack, door: str, rest: int, kafka: int
) -> None:
    zones = (ZONE, stack.powerdns_zone)
    with run(f"20 API killed, {door}", *zones, rest=rest, kafka=kafka) as trial:
        for _ in range(2):
            (fired,) = trial.arm("after_accept=exit")
            with ThreadPoolExecutor(1) as pool:
                writing = pool.submit(trial.write, 3)
                await_fired(fired)
                stack.kill("api")
                stack.start("api")
                writing.result()
    # Both times somebody had to ask again, and was told what had been done already.
    assert trial.replays() >= 2
    assert trial.accepted() == {name: [*range(1, 7)] for name in trial.workload.names}


def test_restarted_while_the_consumer_posts(run: Run, stack: FaultStack) -> None:
    with run("21 API restarted, consumer", ZONE, rest=0, kafka=2) as trial:
        stack.kill("api")
        trial.write(20)
        # It dies in a batch, some items of which are accepted, and none is answered.
        (fired,) = trial.arm("after_accept=exit@5")
        stack.start("api")
        await_fired(fired)
        stack.kill("api")
        stack.start("api")
        trial.go_on(60)
        stack.terminate("api")
        stack.start("api")
    # Of two names: all that was in one batch of the consumer.
    assert 0 < trial.replays() <= 40
    assert trial.accepted() == {name: [*range(1, 21)] for name in trial.workload.names}


def test_one_key_many_times_at_once(run: Run, stack: FaultStack) -> None:
    with run("29 one key, two bodies", ZONE, rest=1, kafka=0) as trial:
        trial.write(1)
        trial.go_on()
        (name,) = trial.workload.names
        key = f"{name}=2"
        answers = asyncio.run(ask_at_once(stack, name, key))
        winners = {answer.json()["id"] for answer in answers if answer.is_success}
        (winner,) = winners
        by_body = [Counter(each.status_code for each in answers[n::2]) for n in (0, 1)]
        won = 0 if by_body[0][202] else 1
        # Who asks for something else under this key, or too soon, is told so.
        assert set(by_body[won]) <= {202, 409}
        assert set(by_body[1 - won]) <= {422, 409}
        assert by_body[1 - won][422] > 0
        replayed = [each for each in answers if "Idempotent-Replayed" in each.headers]
        assert len(replayed) == by_body[won][202] - 1
        for answer in answers:
            assert (answer.status_code == 409) == ("Retry-After" in answer.headers)
        trial.workload.history.append(Asked(key, name, 2 + won, "rest", (202,), winner))
        trial.faults = AT_ONCE
        again = asyncio.run(ask_at_once(stack, name, key, 2))
        assert [each.status_code for each in again][won] == 202
        assert [each.status_code for each in again][1 - won] == 422
    assert trial.texts(name) == ["1", str(2 + won)]


async def ask_at_once(
    stack: FaultStack, name: str, key: str, count: int = AT_ONCE
) -> list[httpx.Response]:
    """Put two numbers in turn, with one key, all at the same time."""
    path = f"/api/v2/zones/{ZONE}/rrsets/{name}/TXT/"
    async with httpx.AsyncClient(
        base_url=stack.about["api"],
        headers={
            "Authorization": f"Bearer {stack.about['token']}",
            "Idempotency-Key": key,
        },
        limits=httpx.Limits(max_connections=count),
        timeout=60,
    ) as client:
        bodies = [
            {"ttl": 60, "records": [f'"{2 + number % 2}"']} for number in range(count)
        ]
        return await asyncio.gather(*(client.put(path, json=body) for body in bodies))


# --- a rollout ------------------------------------------------------------------------


def test_rolling_restart_under_load(run: Run, stack: FaultStack) -> None:
    with run("35 rolling restart", ZONE, stack.powerdns_zone) as trial:
        over = threading.Event()

        def write() -> None:
            while not over.is_set():
                trial.write(1)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                codes = [code for name in PROCESSES for code in replaced(stack, name)]
            finally:
                over.set()
            writing.result()
        trial.faults = len(codes)
    assert codes == [0] * (len(PROCESSES) + 1)
    statuses = {code for asked in trial.evidence.asked for code in asked.statuses}
    # 0 is a connection that ended between two requests; nothing else goes wrong.
    assert statuses <= {202, 0}
    # No request that was begun was cut off: nobody had to ask again.
    assert trial.replays() == 0


def replaced(stack: FaultStack, name: str) -> Iterator[int]:
    """Replace a process by a new one; yield the exit code of each that had to go."""
    if name != "api":
        yield stack.terminate(name)
        stack.start(name)
        return
    # First the new one, then the old one leaves, as a rollout does; and back.
    port = str(free_ports(1)[0])
    command = stack.commands[name].replace("$DNSORCH_PORT_API", port)
    first, second = stack.about["api"], f"http://127.0.0.1:{port}"
    link = stack.proxies["api"]
    with stack.another(name, command) as other:
        try:
            await_ready(second)
            link.lead(second.removeprefix("http://"))
            yield stack.terminate(name)
            stack.start(name)
            await_ready(first)
        finally:
            link.lead(first.removeprefix("http://"))
        yield stack.terminate(other)


def await_ready(origin: str) -> None:
    """Wait until an API says that it is ready."""

    def ready() -> bool | None:
        try:
            return httpx.get(f"{origin}/readyz", timeout=5).is_success or None
        except httpx.TransportError:
            return None

    until(ready, f"{origin} is ready")
