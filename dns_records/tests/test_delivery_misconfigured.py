"""Backends that are set up wrongly: their lanes wait, and say for what."""

from __future__ import annotations

from typing import Any

import pytest

from dns_records.models import Backend, Lane
from dns_records.services import backends, delivery, zones
from dns_records.tests.world import add, fresh, told

# What the lane says of a backend that no message can come through.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"driver": "bind9"}, "unknown driver 'bind9'; there are: "),
    ({"secret_reference": "env:NO_BASE64"}, "the TSIG secret is not base64 text"),
    ({"secret_reference": "env:NOT_SET"}, "env:NOT_SET: the variable is not set"),
    ({"secret_reference": ""}, "option 'key_name' is set, but there is no secret"),
    ({"options": {"server": "127.0.0.1"}}, "a secret, but option 'key_name' is empty"),
    (
        {
            "options": {
                "server": "127.0.0.1",
                "key_name": "key.",
                "key_algorithm": "sha256",
            }
        },
        "option 'key_algorithm' must be one of ",
    ),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_a_backend_that_is_set_up_wrongly_stops_its_lane_and_says_why(
    db: None, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("NO_BASE64", "not-base64!")
    backend = backends.save(
        name="bind",
        driver="rfc2136",
        options={"server": "127.0.0.1", "port": 1, "key_name": "key."},
        secret_reference="env:NOT_READ_YET",
    )
    zone = zones.register(name="example.test.", backend=backend, verify_policy="none")
    # As it was saved before the driver was taken away, or the secret replaced.
    Backend.objects.update(**wrong)
    request = add("www", "192.0.2.1")

    delivery.drain(zone.pk)

    lane = Lane.objects.get(zone=zone)
    assert (lane.state, fresh(request).status) == ("misconfigured", "queued")
    assert sentence in lane.last_error
    assert told(request)[-1] == "backend_unavailable"
    assert "not-base64!" not in lane.last_error
