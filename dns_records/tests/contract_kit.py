"""The services that the provider contract is run on, and what each of them cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from dns_records.tests import documented_provider, provider_daemons
from dns_records.tests.provider_services import RUNNING, Route53, Service
from dnsorch.tests import real

Test = Callable[..., None]
NEEDS: dict[str, str] = {}


def needs(ability: str) -> Callable[[Test], Test]:
    """Expect the test to fail on a service that cannot do this."""

    def note(test: Test) -> Test:
        NEEDS[test.__name__] = ability
        return test

    return note


KINDS = (
    *RUNNING,
    "route53",
    "documented",
    *(provider_daemons.KINDS if real.WANTED else ()),
)


@contextmanager
def running(kind: str, request: pytest.FixtureRequest) -> Iterator[Service]:
    """Run a service for the test that asks for it."""
    running: AbstractContextManager[Service]
    if kind == "route53":
        server = request.getfixturevalue("route53")
        server.reset()
        running = nullcontext(Route53(server))
    elif kind == "documented":
        running = documented_provider.running(request.getfixturevalue("tmp_path"))
    elif kind in provider_daemons.KINDS:
        daemons = request.getfixturevalue("daemons")
        running = nullcontext(daemons.server(kind))
    else:
        running = RUNNING[kind]()
    with running as service:
        ability = NEEDS.get(request.function.__name__)
        if ability in service.cannot:
            reason = service.cannot[ability]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
        yield service
