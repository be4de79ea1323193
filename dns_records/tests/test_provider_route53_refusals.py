"""Route 53: what is refused and why, hosted zones and credentials."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from botocore import exceptions
from moto.route53.exceptions import Route53ClientError

from dns_records.providers import aws
from dns_records.providers.base import Fence, RRsetChange
from dns_records.providers.errors import (
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.route53 import Route53Provider
from dns_records.tests.provider_services import ZONE, aws_key, rr
from dns_records.tests.route53_kit import CHANGE, LIST, MARKER, A, element, provider
from dns_records.tests.route53_server import Route53
from dnsorch.exceptions import SecretUnavailable


@pytest.fixture
def server(route53: Route53) -> Route53:
    """An empty zone."""
    route53.reset()
    return route53


# --- what is refused, and why -------------------------------------------------------


def test_others_changed_what_was_to_be_deleted(
    server: Route53, monkeypatch: pytest.MonkeyPatch
) -> None:
    sut = provider(server)
    sut.apply(ZONE, [A], fence=Fence(None, "v1 1 1"))
    _meddle(server, monkeypatch, times=1)

    receipt = sut.apply(ZONE, [rr("www", "A")], fence=Fence("v1 1 1", "v1 1 2"))

    assert receipt.rcode == "NOERROR"
    assert ("www.example.test.", "A") not in server.held(ZONE)
    assert sut.read_marker(ZONE) == "v1 1 2"


def test_others_change_it_all_the_time(
    server: Route53, monkeypatch: pytest.MonkeyPatch
) -> None:
    sut = provider(server)
    sut.apply(ZONE, [A])
    _meddle(server, monkeypatch, times=10)
    server.calls.clear()

    with pytest.raises(Unreachable, match="by others all the time"):
        sut.apply(ZONE, [rr("www", "A")])
    assert server.calls.count(CHANGE) == 3


def _meddle(server: Route53, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Change www's TTL between the provider's look and its batch, so often."""
    change, left = server.change, list(range(times))

    def meddling(zone_id: str, batch: list[dict[str, Any]]) -> None:
        if left:
            for each in server.backend.get_hosted_zone(zone_id).rrsets:
                each.ttl += each.name == A.name
            left.pop()
        change(zone_id, batch)

    monkeypatch.setattr(server, "change", meddling)


@pytest.mark.parametrize("what", [{"alias_target": {"DNSName": "x."}}, {"weight": 1}])
def test_what_is_no_plain_record_set_is_not_deleted(
    server: Route53, monkeypatch: pytest.MonkeyPatch, what: dict[str, Any]
) -> None:
    sut = provider(server)
    sut.apply(ZONE, [A])
    (zone,) = server.backend.zones.values()
    held = next(each for each in zone.rrsets if each.name == A.name)
    if "weight" in what:
        held.weight, held.set_identifier = 1, "first"
    else:
        held.records, held.ttl = [], None
        held.alias_target = {
            "HostedZoneId": "Z1",
            "DNSName": "lb.example.net.",
            "EvaluateTargetHealth": False,
        }
    server.calls.clear()

    with pytest.raises(PermanentRefusal, match="alias"):
        sut.apply(ZONE, [rr("www", "A")])
    assert server.calls == [LIST]
    assert not sut.probe(ZONE, [A])
    assert not sut.probe(ZONE, [rr("www", "A")])


def test_a_marker_of_another_ttl_must_be_mended(server: Route53) -> None:
    sut = provider(server)
    sut.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    sut.apply(ZONE, [RRsetChange(MARKER, "TXT", 60, ('"v1 1 1"',))])

    with pytest.raises(Misconfigured, match="TTL"):
        sut.apply(ZONE, [A], fence=Fence("v1 1 1", "v1 1 2"))


def test_a_refusal_beside_a_right_marker_is_a_refusal(server: Route53) -> None:
    sut = provider(server)
    sut.apply(ZONE, [A], fence=Fence(None, "v1 1 1"))

    with pytest.raises(PermanentRefusal) as refusal:
        sut.apply(ZONE, [rr("www", "CNAME", "a.")], fence=Fence("v1 1 1", "v1 1 2"))

    assert type(refusal.value) is PermanentRefusal
    assert "conflicts" in refusal.value.detail
    assert refusal.value.rcode == "FORMERR"
    assert sut.read_marker(ZONE) == "v1 1 1"


def test_permission_is_asked_by_a_batch_that_cannot_be_carried_out(
    server: Route53,
) -> None:
    with mock.patch.object(server, "change", wraps=server.change) as change:
        provider(server).check_permission(ZONE)

    ((_, batch),) = [call.args for call in change.call_args_list]
    assert batch == [element("DELETE", MARKER, "TXT", 0, '"dnsorch permission check"')]
    assert server.batches == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("PriorRequestNotComplete", Unreachable),
        ("Throttling", Unreachable),
        ("InvalidChangeBatch", PermanentRefusal),
        ("InvalidInput", PermanentRefusal),
        ("AccessDenied", PermanentRefusal),
        ("NoSuchHostedZone", Misconfigured),
        ("InvalidClientTokenId", KeyRefused),
        ("SignatureDoesNotMatch", KeyRefused),
    ],
)
def test_each_answer_is_a_kind_of_error(
    server: Route53, code: str, kind: type[ProviderError]
) -> None:
    server.errors = [Route53ClientError(code, "words of the service")]

    with pytest.raises(ProviderError) as error:
        provider(server).apply(ZONE, [A])

    assert type(error.value) is kind
    assert error.value.detail == f"Route 53 answered {code}: words of the service"
    assert server.batches == []


@pytest.mark.parametrize("status", [500, 503])
def test_trouble_at_the_service_decides_nothing(status: int) -> None:
    answer: Any = {
        "Error": {"Code": "ServiceUnavailable", "Message": "later"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error = aws.error_of(exceptions.ClientError(answer, CHANGE))
    assert isinstance(error, OutcomeUnknown)
    assert error.answered is True


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="x"), Unreachable),
        (exceptions.ConnectTimeoutError(endpoint_url="x"), Unreachable),
        (exceptions.ReadTimeoutError(endpoint_url="x"), OutcomeUnknown),
        (exceptions.ConnectionClosedError(endpoint_url="x"), OutcomeUnknown),
        (
            exceptions.SSLError(endpoint_url="x", error=OSError("untrusted")),
            Misconfigured,
        ),
        (exceptions.NoCredentialsError(), Misconfigured),
        (exceptions.ParamValidationError(report="x"), PermanentRefusal),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_lack_of_an_answer_is_a_kind_of_error(
    error: exceptions.BotoCoreError, kind: type[ProviderError]
) -> None:
    assert type(aws.transport_error_of(error)) is kind


def test_a_question_has_no_unknown_outcome(server: Route53) -> None:
    sut = provider(server)
    with mock.patch.object(
        server.backend,
        "list_resource_record_sets",
        side_effect=Route53ClientError("AccessDenied", "no"),
    ):
        with pytest.raises(Misconfigured, match="AccessDenied"):
            sut.probe(ZONE, [A])


# --- the hosted zone ----------------------------------------------------------------


def test_no_hosted_zone_of_that_name(server: Route53) -> None:
    with pytest.raises(Misconfigured, match="0 hosted zones named example.net."):
        provider(server).check_permission("example.net.")


def test_two_hosted_zones_of_one_name(server: Route53) -> None:
    first, second = server.create("twice.test."), server.create("twice.test.")
    change = RRsetChange("www.twice.test.", "A", 300, ("192.0.2.1",))

    with pytest.raises(Misconfigured, match="2 hosted zones.*hosted_zone_id"):
        provider(server).apply("twice.test.", [change])
    provider(server, hosted_zone_id=second).apply("twice.test.", [change])

    held = {
        zone_id: [each.type for each in server.backend.zones[zone_id].rrsets]
        for zone_id in (first, second)
    }
    assert held[first].count("A") == 0
    assert held[second].count("A") == 1


def test_a_hosted_zone_that_was_made_anew(server: Route53) -> None:
    change = RRsetChange("www.anew.test.", "A", 300, ("192.0.2.1",))
    server.backend.zones.pop(server.create("anew.test."))
    first = server.create("anew.test.")
    sut = provider(server)
    sut.apply("anew.test.", [change])
    server.backend.zones.pop(first)
    server.create("anew.test.")

    with pytest.raises(Misconfigured, match="NoSuchHostedZone"):
        sut.apply("anew.test.", [change])
    assert sut.apply("anew.test.", [change]).rcode == "NOERROR"


# --- credentials and options --------------------------------------------------------


def test_credentials_that_are_turned_away_are_read_anew_once(server: Route53) -> None:
    asked = []

    def secret(*, fresh: bool = False) -> str:
        asked.append(fresh)
        key = "AKIA1NEW" if fresh else "AKIA1OLD"
        return json.dumps({"aws_access_key_id": key, "aws_secret_access_key": "s"})

    server.errors = [Route53ClientError("InvalidClientTokenId", "unknown")]
    provider(server, secret).apply(ZONE, [A])

    assert asked == [False, True]
    assert len(server.batches) == 1


def test_credentials_that_stay_the_same_are_not_tried_twice(server: Route53) -> None:
    server.errors = [Route53ClientError("InvalidClientTokenId", "unknown")]
    with pytest.raises(KeyRefused) as error:
        provider(server).apply(ZONE, [A])

    assert server.calls == [CHANGE]
    assert "aws-secret" not in str(error.value)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "not-json-secret",
        "[]",
        '"secret"',
        '{"aws_access_key_id": "secret"}',
        '{"aws_access_key_id": "secret", "aws_secret_access_key": ""}',
        '{"aws_access_key_id": "secret", "aws_secret_access_key": 1}',
    ],
)
def test_a_secret_that_is_no_credentials_is_not_quoted(
    server: Route53, secret: str
) -> None:
    with pytest.raises(Misconfigured) as error:
        provider(server, lambda *, fresh=False: secret).check_permission(ZONE)

    assert error.value.detail == (
        "the secret must be a JSON object with aws_access_key_id and "
        "aws_secret_access_key"
    )


def test_a_secret_that_is_not_there(server: Route53) -> None:
    def secret(*, fresh: bool = False) -> str:
        raise SecretUnavailable("no file")

    with pytest.raises(Misconfigured, match="no file"):
        provider(server, secret).check_permission(ZONE)


def test_credentials_are_not_shown() -> None:
    found = aws.credentials(aws_key())
    assert repr(found) == "Credentials(...)"


def test_without_a_secret_the_sdk_looks_for_credentials(
    server: Route53, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    options = {"endpoint_url": server.endpoint_url}
    aws._account.cache_clear()
    with pytest.raises(Misconfigured, match="credentials"):
        Route53Provider(options, None).apply(ZONE, [A])

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA2ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    aws._account.cache_clear()
    Route53Provider(options, None).apply(ZONE, [A])
    aws._account.cache_clear()
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoint_url": "ftp://x"}, "endpoint_url"),
        ({"region": ""}, "region"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"connect_timeout_s": 61}, "connect_timeout_s"),
        ({"aws_access_key_id": "x"}, "aws_access_key_id"),
    ],
)
def test_impossible_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        Route53Provider(options, aws_key)


def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(Misconfigured, match="endpoint_url"):
        Route53Provider({"endpoint_url": "http://a b"}, aws_key).check_permission(ZONE)


def test_a_name_that_is_no_name_is_nobody_s() -> None:
    assert aws.canonical("a..test.") == "a..test."


def test_a_look_that_is_not_answered_may_be_taken_again(server: Route53) -> None:
    with mock.patch.object(
        server.backend, "list_resource_record_sets", side_effect=_hang_up
    ):
        with pytest.raises(Unreachable, match="500"):
            provider(server).probe(ZONE, [A])


def _hang_up(*_: object, **__: object) -> None:
    raise RuntimeError("the service is in trouble")
