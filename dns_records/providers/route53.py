"""Amazon Route 53, by ChangeResourceRecordSets: one change batch, all of it or nothing.

Route 53 checks the fence itself. To delete a record set one must name the TTL and the
values it has now, or the whole batch is refused; so a batch that deletes the marker as
it was and creates the next one is a compare-and-set. A marker on its own is created:
refused if there is one.

The documents:
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html

An identity needs ``route53:ChangeResourceRecordSets``, ``ListResourceRecordSets`` and,
without the option ``hosted_zone_id``, ``ListHostedZonesByName``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from dns_records.providers import aws, updates
from dns_records.providers.aws import Key
from dns_records.providers.base import (
    Fence,
    Provider,
    RRsetChange,
    Terms,
    marker_name,
)
from dns_records.providers.errors import (
    Fenced,
    KeyRefused,
    MessageTooLarge,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    SecretMissing,
    Unreachable,
)
from dns_records.providers.options import Option
from dnsorch.exceptions import SecretUnavailable

if TYPE_CHECKING:
    from types_boto3_route53.type_defs import (
        ChangeTypeDef,
        ResourceRecordSetOutputTypeDef,
    )

log = structlog.get_logger(__name__)
T = TypeVar("T")

# A change batch: so many characters of values and so many values, where those of an
# UPSERT count twice. With 32 characters as the least that a value counts, the sum of
# characters stays below the one only if the number of values stays below the other.
MAX_CHARACTERS, MAX_VALUES = 32_000, 1000
LEAST = MAX_CHARACTERS // MAX_VALUES
# What a delete is taken to count before anybody looked at what there is to delete.
DELETE = 8 * LEAST
# The marker deleted and created, each at its longest.
STEP = 2 * (255 + 2)
# Each time something was changed by other hands between a look and the batch.
TRIES = 3
# What stands for the records of a set that DNS has no form for.
NOT_PLAIN = "(an alias, or with a routing policy)"


class Route53Provider(Provider):
    """Speaks to Route 53 with one set of credentials."""

    driver = "route53"
    options: ClassVar[Mapping[str, Option]] = {
        "hosted_zone_id": Option(str, "id of the hosted zone; empty looks it up", ""),
        "region": Option(str, "region of the endpoint", "us-east-1"),
        "endpoint_url": Option(str, "endpoint; empty takes AWS's own", ""),
        "timeout_s": Option(float, "seconds for the answer", 5.0),
        "connect_timeout_s": Option(float, "seconds for connecting", 2.0),
    }
    # AWS's "Supported DNS record types", SOA aside.
    supported_types = frozenset(
        {"A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SPF"}
        | {"SRV", "SSHFP", "SVCB", "TLSA", "TXT"}
    )
    # In the characters that Route 53 counts.
    max_message_octets = MAX_CHARACTERS
    can_probe = True
    can_fence = True
    can_list = True

    def _configure(self, options: Mapping[str, Any]) -> None:
        for name in ("timeout_s", "connect_timeout_s"):
            if not 0 < options[name] <= 60:
                raise Misconfigured(f"option {name!r} must be above 0 and at most 60")
        endpoint_url = options["endpoint_url"]
        if endpoint_url and not endpoint_url.startswith(("http://", "https://")):
            raise Misconfigured("option 'endpoint_url' must be http(s)://host")
        if not options["region"]:
            raise Misconfigured("option 'region' is empty")
        self._hosted_zone_id: str = options["hosted_zone_id"]
        self._settings = aws.Settings(
            options["region"],
            endpoint_url,
            options["connect_timeout_s"],
            options["timeout_s"],
        )

    # --- hooks ---------------------------------------------------------------------

    def _check_secret(self) -> None:
        self._credentials()

    def _apply(
        self, zone: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        fence = terms.fence
        absent = [_key(change) for change in changes if not change.records]
        held = self._held(zone, absent)
        for _ in range(TRIES):
            batch = _batch(zone, changes, fence, held)
            size = aws.size(batch)
            if size.characters > MAX_CHARACTERS or size.values > MAX_VALUES:
                raise MessageTooLarge()
            if not batch:
                break  # Deleting what is not there; the service takes no empty batch.
            try:
                self._change(zone, batch)
                break
            except PermanentRefusal:
                # Which change was at fault stands only in words. Nothing was applied.
                if fence is not None:
                    self._check_marker(zone, fence)
                before, held = held, self._held(zone, absent)
                if held == before:
                    raise
        else:
            raise Unreachable(f"{zone} is changed by others all the time")
        return "NOERROR", size.characters

    def _probe(self, zone: str, images: Sequence[RRsetChange]) -> bool:
        held = self._held(zone, [_key(image) for image in images])
        return all(_holds(held.get(_key(image)), image) for image in images)

    def _check_permission(self, zone: str) -> None:
        # Who may not change is told so before the batch is looked at; this one cannot
        # be carried out, since no marker ever has this text.
        nothing = updates.marker_rdata(updates.PERMISSION_TEXT).to_text()
        key = Key(marker_name(zone), "TXT")
        try:
            self._change(
                zone, [aws.change("DELETE", key, updates.MARKER_TTL, [nothing])]
            )
        except PermanentRefusal as error:
            if error.rcode == aws.DENIED:
                raise

    def _read_marker(self, zone: str) -> str | None:
        key = Key(marker_name(zone), "TXT")
        held = self._held(zone, [key]).get(key)
        return _text(held) if held else None

    def _read_zone(self, zone: str) -> Iterator[RRsetChange]:
        start: dict[str, Any] = {}
        while True:
            page = self._ask(
                zone,
                lambda account, zone_id: account.client.list_resource_record_sets(
                    HostedZoneId=zone_id, MaxItems="300", **start
                ),
            )
            for held in page["ResourceRecordSets"]:
                key = aws.key_of(held)
                texts = aws.values(held) if aws.is_plain(held) else [NOT_PLAIN]
                yield RRsetChange(
                    key.name,
                    key.type,
                    held.get("TTL", 0),
                    updates.canonical(key.type, texts),
                )
            if not page["IsTruncated"]:
                return
            start = {
                "StartRecordName": page["NextRecordName"],
                "StartRecordType": page["NextRecordType"],
            }
            if "NextRecordIdentifier" in page:
                start["StartRecordIdentifier"] = page["NextRecordIdentifier"]

    def _octets(self, zone: str, changes: Sequence[RRsetChange]) -> int:
        total = STEP
        for change in changes:
            # An escape of two characters becomes one of four.
            total += sum(
                2 * max(len(text) + 2 * text.count("\\"), LEAST)
                for text in change.records
            )
            total += 0 if change.records else DELETE
        return total

    # --- what the zone holds -------------------------------------------------------

    def _check_marker(self, zone: str, fence: Fence) -> None:
        """Return only if the marker is as ``fence`` wants it.

        Raises:
            Fenced: it is another one.
            Misconfigured: it has another TTL, which must be named to delete it.
        """
        key = Key(marker_name(zone), "TXT")
        held = self._held(zone, [key]).get(key)
        if fence.previous is None:
            if held is not None:
                raise Fenced(rcode="YXDOMAIN")
        elif held is None or _text(held) != fence.previous:
            raise Fenced(rcode="NXRRSET")
        elif held.get("TTL") != updates.MARKER_TTL:
            raise Misconfigured(
                f"the TTL of {key.name} was changed; it must be {updates.MARKER_TTL}"
            )

    def _held(
        self, zone: str, wanted: Sequence[Key]
    ) -> dict[Key, ResourceRecordSetOutputTypeDef]:
        """Return those of the record sets ``wanted`` that there are.

        Reads a page from the first of them on, then from the first that the page did
        not reach, and so on: never more often than there are names.
        """
        found: dict[Key, ResourceRecordSetOutputTypeDef] = {}
        left = sorted(set(wanted), key=aws.place)
        while left:
            first = left[0]
            items = "1" if len(left) == 1 else "300"
            page = self._ask(
                zone,
                lambda account, zone_id: account.client.list_resource_record_sets(
                    HostedZoneId=zone_id,
                    StartRecordName=aws.owner(first.name),
                    StartRecordType=first.type,  # type: ignore[arg-type]
                    MaxItems=items,
                ),
            )
            sets = {aws.key_of(each): each for each in page["ResourceRecordSets"]}
            found |= {key: sets[key] for key in left if key in sets}
            if not page["IsTruncated"]:
                break
            # Where they sort otherwise than we think, only the first is certain.
            places = [aws.place(key) for key in sets]
            reached = places[-1] if places == sorted(places) else aws.place(first)
            left = [key for key in left[1:] if aws.place(key) > reached]
        return found

    # --- messages ------------------------------------------------------------------

    def _change(self, zone: str, batch: Sequence[ChangeTypeDef]) -> None:
        answer = self._call(
            zone,
            lambda account, zone_id: account.client.change_resource_record_sets(
                HostedZoneId=zone_id, ChangeBatch={"Changes": batch}
            ),
        )
        log.info("route53.change", zone=zone, change_id=answer["ChangeInfo"]["Id"])

    def _ask(self, zone: str, call: Callable[[aws.Account, str], T]) -> T:
        """Call what changes nothing: no outcome of it is unknown, none a refusal."""
        try:
            return self._call(zone, call)
        except OutcomeUnknown as error:
            raise Unreachable(error.detail, rcode=error.rcode) from error
        except PermanentRefusal as error:
            raise Misconfigured(error.detail, rcode=error.rcode) from error

    def _call(self, zone: str, call: Callable[[aws.Account, str], T]) -> T:
        """Call; if the service turns the credentials away, look for new ones.

        A request that was turned away was not processed, so it may be sent again.
        """
        credentials = self._credentials()
        try:
            return self._call_once(zone, call, credentials)
        except KeyRefused:
            renewed = self._credentials(fresh=True)
            if renewed == credentials:
                raise
            return self._call_once(zone, call, renewed)

    def _call_once(
        self,
        zone: str,
        call: Callable[[aws.Account, str], T],
        credentials: aws.Credentials | None,
    ) -> T:
        account = aws.account(self._settings, credentials)
        try:
            zone_id = self._hosted_zone_id or account.hosted_zone_id(zone)
            return call(account, zone_id)
        except ClientError as error:
            account.forget(zone)
            raise aws.error_of(error) from error
        except BotoCoreError as error:
            raise aws.transport_error_of(error) from error

    def _credentials(self, *, fresh: bool = False) -> aws.Credentials | None:
        if self.secret is None:
            return None
        try:
            return aws.credentials(self.secret(fresh=fresh))
        except SecretUnavailable as error:
            raise SecretMissing(error.detail) from error


def _key(change: RRsetChange) -> Key:
    return Key(change.name, change.type)


def _batch(
    zone: str,
    changes: Sequence[RRsetChange],
    fence: Fence | None,
    held: Mapping[Key, ResourceRecordSetOutputTypeDef],
) -> list[ChangeTypeDef]:
    """Return the change batch: the marker's step, then the changes in their order.

    Raises:
        PermanentRefusal: what is to be deleted is no plain record set.
    """
    batch: list[ChangeTypeDef] = []
    if fence is not None:
        key = Key(marker_name(zone), "TXT")
        if fence.previous is not None:
            previous = updates.marker_rdata(fence.previous).to_text()
            batch.append(aws.change("DELETE", key, updates.MARKER_TTL, [previous]))
        following = updates.marker_rdata(fence.next).to_text()
        batch.append(aws.change("CREATE", key, updates.MARKER_TTL, [following]))
    for change in changes:
        key = _key(change)
        if change.records:
            batch.append(aws.change("UPSERT", key, change.ttl, change.records))
        elif key in held:
            if not aws.is_plain(held[key]):
                raise PermanentRefusal(
                    f"{change.name} {change.type} is an alias or has a routing policy",
                    rcode="REFUSED",
                )
            batch.append({"Action": "DELETE", "ResourceRecordSet": held[key]})
    return batch


def _holds(held: ResourceRecordSetOutputTypeDef | None, image: RRsetChange) -> bool:
    """Say whether a record set is as ``image`` says."""
    if held is None or not image.records:
        return held is None and not image.records
    if not aws.is_plain(held):
        return False
    return {updates.rdata(image.type, text) for text in aws.values(held)} == {
        updates.rdata(image.type, text) for text in image.records
    }


def _text(held: ResourceRecordSetOutputTypeDef) -> str:
    """Return the text of a TXT record set that is a marker."""
    strings = [
        string
        for text in aws.values(held)
        for string in updates.rdata("TXT", text).strings  # type: ignore[attr-defined]
    ]
    return b"".join(strings).decode("ascii", "backslashreplace")
