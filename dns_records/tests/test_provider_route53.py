"""Route 53, call by call."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from botocore import exceptions
from moto.route53.exceptions import Route53ClientError

from dns_records.providers import aws
from dns_records.providers.aws import Key
from dns_records.providers.base import Fence, RRsetChange, Secret
from dns_records.providers.errors import (
    KeyRefused,
    MessageTooLarge,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.registry import provider_class
from dns_records.providers.route53 import Route53Provider
from dns_records.tests.provider_services import ZONE, aws_key, rr
from dns_records.tests.route53_server import Route53
from dnsorch.exceptions import SecretUnavailable

A = rr("www", "A", "192.0.2.1")
MARKER = "_dnsorch.example.test."
CHANGE, LIST = "ChangeResourceRecordSets", "ListResourceRecordSets"


@pytest.fixture
def server(route53: Route53) -> Route53:
    """An empty zone."""
    route53.reset()
    return route53


def provider(
    server: Route53, secret: Secret = aws_key, **options: Any
) -> Route53Provider:
    """Return a provider that speaks to the server."""
    return Route53Provider({"endpoint_url": server.endpoint_url, **options}, secret)


def element(action: str, name: str, rtype: str, ttl: int, *values: str) -> Any:
    """Return an element of a change batch as it arrives."""
    return {
        "Action": action,
        "ResourceRecordSet": {
            "Name": name,
            "Type": rtype,
            "TTL": ttl,
            "ResourceRecords": [{"Value": value} for value in values],
        },
    }


def test_it_is_a_driver() -> None:
    assert provider_class("route53") is Route53Provider


def test_a_batch_is_the_marker_s_step_then_the_changes(server: Route53) -> None:
    sut = provider(server)
    sut.apply(ZONE, [rr("old", "MX", "10 a.", "20 b.")], fence=Fence(None, "v1 1 1"))
    receipt = sut.apply(
        ZONE,
        [A, rr("old", "MX"), rr("never", "A")],
        fence=Fence("v1 1 1", "v1 1 2"),
    )

    assert server.batches == [
        [
            element("CREATE", MARKER, "TXT", 0, '"v1 1 1"'),
            element("UPSERT", "old.example.test.", "MX", 300, "10 a.", "20 b."),
        ],
        [
            element("DELETE", MARKER, "TXT", 0, '"v1 1 1"'),
            element("CREATE", MARKER, "TXT", 0, '"v1 1 2"'),
            element("DELETE", "old.example.test.", "MX", 300, "10 a.", "20 b."),
            element("UPSERT", "www.example.test.", "A", 300, "192.0.2.1"),
        ],
    ]
    # Nothing is read to write; what is to be deleted is read.
    assert server.calls == [CHANGE, LIST, CHANGE]
    assert (receipt.rcode, receipt.octets) == ("NOERROR", 8 + 8 + 10 + 2 * 9)


def test_nothing_to_delete_is_nothing_to_send(server: Route53) -> None:
    receipt = provider(server).apply(ZONE, [rr("never", "A")])

    assert (receipt.rcode, receipt.octets) == ("NOERROR", 0)
    assert server.calls == [LIST]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r'"\195\164"', r'"\303\244"'),
        (r'"a\"b\\c"', r'"a\042b\134c"'),
        (r'"\001\127"', r'"\001\177"'),
        ('0 issue "ca.test; a=b"', '0 issue "ca.test; a=b"'),
    ],
)
def test_escapes_are_octal_in_route_53(
    server: Route53, text: str, escaped: str
) -> None:
    rtype = "CAA" if "issue" in text else "TXT"
    sut = provider(server)
    sut.apply(ZONE, [rr("t", rtype, text)])

    assert aws.escaped(text) == escaped
    held = server.held(ZONE)["t.example.test.", rtype]
    assert held["ResourceRecords"] == [escaped]
    assert sut.probe(ZONE, [rr("t", rtype, text)])


def test_names_are_written_as_route_53_stores_them(server: Route53) -> None:
    names = ["*", r"a\032b", r"c\.d", r"e\@f", "_x-y"]
    changes = [rr(name, "A", "192.0.2.1") for name in names]
    sut = provider(server)
    sut.apply(ZONE, changes)

    assert {name for name, rtype in server.held(ZONE) if rtype == "A"} == {
        r"\052.example.test.",
        r"a\040b.example.test.",
        r"c\056d.example.test.",
        r"e\100f.example.test.",
        "_x-y.example.test.",
    }
    assert sut.probe(ZONE, changes)
    for change in changes:
        assert sut.probe(ZONE, [change])
        sut.apply(ZONE, [RRsetChange(change.name, "A", 0, ())])
    assert {rtype for _, rtype in server.held(ZONE)} == {"NS", "SOA"}


# --- reading ------------------------------------------------------------------------


def test_many_neighbours_are_read_by_the_page(server: Route53) -> None:
    sut = provider(server)
    changes = [rr(f"host{n:04}", "A", "192.0.2.1") for n in range(450)]
    sut.apply(ZONE, changes)
    server.calls.clear()

    assert sut.probe(ZONE, changes)
    assert server.calls == [LIST, LIST]


def test_far_apart_each_is_read_by_itself(server: Route53) -> None:
    sut = provider(server)
    sut.apply(ZONE, [rr(f"host{n:04}", "A", "192.0.2.1") for n in range(450)])
    sut.apply(ZONE, [rr(f"test{n:04}", "A", "192.0.2.1") for n in range(450)])
    server.calls.clear()

    missing = [rr(f"{where}0000.sub", "A") for where in ("host", "test")]
    assert sut.probe(ZONE, [*missing, rr("a", "A"), rr("z", "A")])
    # From "a" to some host, from below "sub" to some test, and "z".
    assert server.calls == [LIST, LIST, LIST]


def test_an_order_that_is_not_ours_is_not_trusted(
    server: Route53, monkeypatch: pytest.MonkeyPatch
) -> None:
    sut = provider(server)
    changes = [rr(f"host{n:04}", "A", "192.0.2.1") for n in range(450)]
    sut.apply(ZONE, changes)
    wanted = [changes[400], changes[410], rr("host0405", "TXT")]
    monkeypatch.setattr(aws, "place", lambda key: (key.name[::-1], key.type))
    server.calls.clear()

    assert sut.probe(ZONE, wanted)
    assert len(server.calls) == 1  # They end with the zone: no page is cut.
    server.calls.clear()
    assert not sut.probe(ZONE, [*changes[:3], rr("host0003", "A")])
    assert len(server.calls) == 4


def test_where_a_record_set_stands_in_a_list() -> None:
    names = ["a-b.", "a.", "*.", "b.a.", "-.a.", "_x.", r"\032."]
    keys = [Key(name + ZONE, "A") for name in names]
    assert [key.name.removesuffix(ZONE) for key in sorted(keys, key=aws.place)] == [
        r"\032.",
        "*.",
        "_x.",
        "a-b.",
        "a.",
        "-.a.",
        "b.a.",
    ]


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


# --- sizes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ([rr(f"h{n}", "A", "192.0.2.1") for n in range(500)], True),
        ([rr(f"h{n}", "A", "192.0.2.1") for n in range(501)], False),
        ([rr(f"h{n}", "TXT", f'"{"x" * 198}"') for n in range(80)], True),
        ([rr(f"h{n}", "TXT", f'"{"x" * 198}"') for n in range(81)], False),
    ],
    ids=["500 values", "501 values", "32000 characters", "32400 characters"],
)
def test_the_limits_of_a_batch(
    server: Route53, changes: list[RRsetChange], fits: bool
) -> None:
    sut = provider(server)
    if fits:
        sut.apply(ZONE, changes)
    else:
        with pytest.raises(MessageTooLarge):
            sut.apply(ZONE, changes)
    assert len(server.batches) == fits


@pytest.mark.parametrize("text", [r'"' + r"\"" * 120 + '"', r'"' + r"\200" * 60 + '"'])
def test_the_estimate_is_never_too_low(server: Route53, text: str) -> None:
    sut = provider(server)
    changes = [rr("t", "TXT", text), rr("a", "A", "192.0.2.1")]
    receipt = sut.apply(ZONE, changes, fence=Fence(None, "m" * 255))
    assert receipt.octets <= sut.message_octets(ZONE, changes)


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
