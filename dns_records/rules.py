"""Judging an end state: the validators on all that a change set leaves. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from dns_records import rdata, validation
from dns_records.images import Image, Key, Notice
from dnsorch.exceptions import CNAMEConflict, DnsorchError, Invalid, Reason

# A finding and the place in the body that it is about.
Placed = tuple[str, validation.Finding]


def judge(
    context: validation.Context,
    current: Mapping[Key, Image | None],
    images: Mapping[Key, Image | None],
    pointers: Mapping[Key, str],
) -> list[Notice]:
    """Judge each RRset that changes, then each name; return the warnings.

    ``current`` holds every RRset of the names, ``images`` what becomes of those that
    change, ``pointers`` where each of these stands in the body.

    Raises:
        CNAMEConflict: only rules that depend on what else is wanted are broken.
        Invalid: at least one rule is broken whatever else is wanted; its code is the
            rule's if all that is broken is of one kind.
    """
    before, after = _types(current, images)
    keys = Key(context.zone, "DNSKEY")
    image = images.get(keys, current.get(keys))
    context = replace(
        context,
        neighbours=context.neighbours.overlaid(after),
        zone_keys=image.records if image else (),
    )
    return _judged(
        [
            *_of_rrsets(context, current, images, pointers),
            *_of_names(context, before, after, images, pointers),
        ]
    )


def judge_rrsets(
    context: validation.Context,
    images: Mapping[Key, Image | None],
    pointers: Mapping[Key, str],
) -> list[Notice]:
    """Judge each RRset by itself, whatever else is at its name; return the warnings.

    Raises:
        Invalid: at least one rule is broken, as :func:`judge` says.
    """
    return _judged(list(_of_rrsets(context, {}, images, pointers)))


def _judged(findings: Sequence[Placed]) -> list[Notice]:
    errors = [(where, each) for where, each in findings if each.is_error]
    if errors:
        raise _refusal(errors)
    return [Notice(each.code, each.detail, where) for where, each in findings]


def _types(
    current: Mapping[Key, Image | None], images: Mapping[Key, Image | None]
) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """Return the types of each name that changes, before and after it."""
    touched = {key.name for key in images}
    before: dict[str, set[str]] = {name: set() for name in touched}
    for key, image in current.items():
        if image and key.name in touched:
            before[key.name].add(key.type)
    after = {name: set(types) for name, types in before.items()}
    for key, image in images.items():
        (after[key.name].add if image else after[key.name].discard)(key.type)
    return (
        {name: frozenset(types) for name, types in before.items()},
        {name: frozenset(types) for name, types in after.items()},
    )


def _of_rrsets(
    context: validation.Context,
    current: Mapping[Key, Image | None],
    images: Mapping[Key, Image | None],
    pointers: Mapping[Key, str],
) -> Iterator[Placed]:
    for key, image in images.items():
        if image is None:
            continue
        parsed = [
            rdata.parse(key.type, text, zone=context.zone) for text in image.records
        ]
        found_before = current.get(key)
        found = validation.check_rrset(
            context,
            *key,
            image.ttl,
            parsed,
            ttl_before=found_before.ttl if found_before else None,
        )
        for each in parsed:
            found += validation.check_record(context, *key, each)
        yield from ((pointers[key], finding) for finding in found)


def _of_names(
    context: validation.Context,
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
    images: Mapping[Key, Image | None],
    pointers: Mapping[Key, str],
) -> Iterator[Placed]:
    places = {key.name: pointers[key] for key in reversed(list(images))}
    for name, pointer in sorted(places.items()):
        found = validation.check_node(context, name, after[name], before[name])
        yield from ((pointer, finding) for finding in found)


def _refusal(errors: Sequence[Placed]) -> DnsorchError:
    reasons = tuple(Reason(where, each.code, each.detail) for where, each in errors)
    conflicts = all(each.status == 409 for _, each in errors)
    codes = {each.code for _, each in errors}
    refusal: Callable[..., DnsorchError] = CNAMEConflict if conflicts else Invalid
    return refusal(
        errors[0][1].detail,
        reasons=reasons,
        code=codes.pop() if len(codes) == 1 else None,
    )
