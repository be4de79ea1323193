"""Route 53's way to write names and values, its client, its errors. No decisions."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import boto3
import dns.exception
import dns.name
from botocore import exceptions
from botocore.config import Config

from dns_records.providers.errors import (
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)

if TYPE_CHECKING:
    from types_boto3_route53 import Route53Client
    from types_boto3_route53.type_defs import (
        ChangeTypeDef,
        ResourceRecordSetOutputTypeDef,
    )

_ESCAPE = re.compile(r"\\([0-9]{3}|.)", re.DOTALL)
_OCTAL = re.compile(r"\\([0-7]{3})")

# The rcode of a refusal by policy, whatever the batch says.
DENIED = "REFUSED"
# Turned away before the request was looked at: nothing was applied.
_LATER = frozenset(
    {
        "PriorRequestNotComplete",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    }
)
_KEY = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized"})
# Failed before the request was sent.
_UNSENT = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
)
_SENT = (
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.ChecksumError,
)


class Key(NamedTuple):
    """A record set: its canonical owner name, its type."""

    name: str
    type: str


class Size(NamedTuple):
    """What Route 53 counts of a change batch."""

    characters: int
    values: int


class Settings(NamedTuple):
    """What a client is made of; timeouts in seconds."""

    region: str
    endpoint_url: str
    connect_timeout: float
    timeout: float


class Credentials(NamedTuple):
    """An access key, never to be shown."""

    key_id: str
    secret: str
    session_token: str | None

    def __repr__(self) -> str:
        return "Credentials(...)"


class Account:
    """A client (safe in threads), and the hosted zones that it was asked for."""

    def __init__(self, client: Route53Client) -> None:
        """Keep the client."""
        self.client = client
        self._ids: dict[str, str] = {}

    def hosted_zone_id(self, zone: str) -> str:
        """Return the id of the only hosted zone of that name.

        Raises:
            Misconfigured: there is none, or more than one.
            ClientError, BotoCoreError: it cannot be asked.
        """
        if zone not in self._ids:
            found = self.client.list_hosted_zones_by_name(DNSName=owner(zone))
            ids = [
                each["Id"]
                for each in found["HostedZones"]
                if canonical(each["Name"]) == zone
            ]
            if len(ids) != 1:
                raise Misconfigured(
                    f"there are {len(ids)} hosted zones named {zone}; the option "
                    "'hosted_zone_id' chooses one"
                )
            self._ids[zone] = ids[0]
        return self._ids[zone]

    def forget(self, zone: str) -> None:
        """Forget the id of a hosted zone: it may have been deleted and made anew."""
        self._ids.pop(zone, None)


# --- writing ------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Return a name or value with each escape as Route 53 reads it: in octal."""

    def octal(escape: re.Match[str]) -> str:
        digits = escape[1]
        return rf"\{int(digits) if len(digits) == 3 else ord(digits):03o}"

    return _ESCAPE.sub(octal, text)


def unescaped(text: str) -> str:
    """Return a name or value with octal escapes as DNS writes them: in decimal."""
    return _OCTAL.sub(lambda escape: rf"\{int(escape[1], 8):03d}", text)


def canonical(name: str) -> str:
    """Return the canonical text of a name as Route 53 writes it."""
    try:
        return dns.name.from_text(unescaped(name)).canonicalize().to_text()
    except dns.exception.DNSException:
        return name


def owner(name: str) -> str:
    """Return a canonical name as Route 53 stores it."""
    return escaped(name).replace("*", r"\052")


def change(
    action: Literal["CREATE", "DELETE", "UPSERT"],
    key: Key,
    ttl: int,
    records: Sequence[str],
) -> ChangeTypeDef:
    """Return an element of a change batch.

    CREATE is refused if the record set is there, DELETE if it is not exactly this.
    """
    record_set: ResourceRecordSetOutputTypeDef = {
        "Name": owner(key.name),
        "Type": key.type,  # type: ignore[typeddict-item]
        "TTL": ttl,
        "ResourceRecords": [{"Value": escaped(text)} for text in records],
    }
    return {"Action": action, "ResourceRecordSet": record_set}


def size(batch: Sequence[ChangeTypeDef]) -> Size:
    """Return what Route 53 counts: the values of an UPSERT twice."""
    characters = values = 0
    for change in batch:
        weight = 2 if change["Action"] == "UPSERT" else 1
        for record in change["ResourceRecordSet"].get("ResourceRecords", ()):
            characters += weight * len(record["Value"])
            values += weight
    return Size(characters, values)


# --- reading ------------------------------------------------------------------------


def key_of(held: ResourceRecordSetOutputTypeDef) -> Key:
    """Return which record set it is."""
    return Key(canonical(held["Name"]), held["Type"])


def values(held: ResourceRecordSetOutputTypeDef) -> list[str]:
    """Return its rdata in presentation form."""
    return [unescaped(each["Value"]) for each in held.get("ResourceRecords", ())]


def is_plain(held: ResourceRecordSetOutputTypeDef) -> bool:
    """Say whether it is records and nothing else: no alias, no routing policy."""
    return "ResourceRecords" in held and "SetIdentifier" not in held


def place(key: Key) -> tuple[str, str]:
    """Return what record sets are listed by: name with labels reversed, then type."""
    labels = owner(key.name).rstrip(".").split(".")
    return ".".join(reversed(labels)) + ".", key.type


# --- calling ------------------------------------------------------------------------

_making = threading.Lock()


def credentials(secret: str) -> Credentials:
    """Return the credentials in a secret: JSON by the names of AWS's configuration.

    Raises:
        Misconfigured: it is none. The message never holds any of it.
    """
    try:
        given = json.loads(secret)
        found = Credentials(
            given["aws_access_key_id"],
            given["aws_secret_access_key"],
            given.get("aws_session_token"),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        found = Credentials("", "", None)
    if not (isinstance(found.key_id, str) and isinstance(found.secret, str)) or not (
        found.key_id and found.secret
    ):
        raise Misconfigured(
            "the secret must be a JSON object with aws_access_key_id and "
            "aws_secret_access_key"
        )
    return found


def account(settings: Settings, credentials: Credentials | None) -> Account:
    """Return an account; without credentials by the SDK's own chain.

    Raises:
        Misconfigured: no client can be made of this.
    """
    try:
        # Making one reads 100 files: one at a time, once for a process.
        with _making:
            return _account(os.getpid(), settings, credentials)
    except ValueError as error:
        raise Misconfigured(f"option 'endpoint_url': {error}") from error


@lru_cache(maxsize=32)
def _account(pid: int, settings: Settings, credentials: Credentials | None) -> Account:
    session = boto3.session.Session(
        aws_access_key_id=credentials.key_id if credentials else None,
        aws_secret_access_key=credentials.secret if credentials else None,
        aws_session_token=credentials.session_token if credentials else None,
    )
    client = session.client(
        "route53",
        region_name=settings.region,
        endpoint_url=settings.endpoint_url or None,
        # The lane tries again, which knows what became of the first time.
        config=Config(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
        ),
    )
    return Account(client)


def error_of(error: exceptions.ClientError) -> ProviderError:
    """Return the kind of error that an answer of Route 53 is."""
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    words = error.response["Error"].get("Message", "")
    detail = f"Route 53 answered {code}: {words}"
    if code in _LATER:
        return Unreachable(detail, rcode="REFUSED")
    if code in _KEY:
        return KeyRefused(detail, rcode="NOTAUTH")
    if code in _DENIED:
        return PermanentRefusal(detail, rcode=DENIED)
    if code == "NoSuchHostedZone":
        return Misconfigured(detail, rcode="NOTAUTH")
    if status >= 500:
        return OutcomeUnknown(detail, rcode="SERVFAIL", answered=True)
    # InvalidChangeBatch, InvalidInput: it read the batch and will never take it.
    return PermanentRefusal(detail, rcode="FORMERR")


def transport_error_of(error: exceptions.BotoCoreError) -> ProviderError:
    """Return the kind of error that an attempt without an answer is."""
    detail = f"Route 53: {error}"
    if isinstance(error, _UNSENT):
        return Unreachable(detail)
    if isinstance(error, _SENT):
        return OutcomeUnknown(detail)
    if isinstance(error, exceptions.ParamValidationError):
        return PermanentRefusal(detail)
    # No credentials, no region, no trust in the certificate.
    return Misconfigured(detail)
