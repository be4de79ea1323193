"""What the tests of the Route 53 provider share."""

from __future__ import annotations

from typing import Any

from dns_records.providers.base import Secret
from dns_records.providers.route53 import Route53Provider
from dns_records.tests.provider_services import aws_key, rr
from dns_records.tests.route53_server import Route53

A = rr("www", "A", "192.0.2.1")
MARKER = "_dnsorch.example.test."
CHANGE, LIST = "ChangeResourceRecordSets", "ListResourceRecordSets"


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
