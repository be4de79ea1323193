"""Posting batches: items and their results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.test import APIClient

from dns_records.tests.callers import BATCH, change, changeset

A1 = "192.0.2.1"


def add(name: str, zone: str = "example.test.", **item: Any) -> dict[str, Any]:
    """Return an item that adds an A record by a change set."""
    return {"changeset": changeset(change("add", name, A1), zone=zone), **item}


def one(action: str, **fields: Any) -> dict[str, Any]:
    """Return an item that changes one record."""
    return {"record": {"action": action, **fields}}


def run(api: APIClient, *items: Any, **headers: str) -> list[dict[str, Any]]:
    """Post a batch; return its results."""
    answer = api.post(BATCH, {"items": list(items)}, headers=headers)
    assert answer.status_code == 207, answer.json()
    assert list(answer.json()) == ["results"]
    results: list[dict[str, Any]] = answer.json()["results"]
    assert len(results) == len(items)
    assert all(sorted(each) == ["body", "replayed", "status"] for each in results)
    return results


def statuses(results: Iterable[dict[str, Any]]) -> list[int]:
    """Return the status of each item."""
    return [each["status"] for each in results]
