"""What docs/extending.md shows, beside the provider, which the contract suite runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from celery import current_app
from django.conf import settings

from dns_records.providers.registry import provider_class
from dns_records.tests import documented_provider
from dnsorch.exceptions import SecretUnavailable


def test_the_secret_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "company-secret"
    program.write_text('#!/bin/sh\n[ "$1" = api ] && echo the-secret\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    read = documented_provider.module("company/secrets.py", tmp_path).read

    assert read("api") == "the-secret"
    with pytest.raises(SecretUnavailable, match="store:other: exit code 1"):
        read("other")


def test_the_celery_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renewal = ModuleType("certificates.services.renewal")
    renewed: list[int] = []
    renewal.__dict__["renew"] = renewed.append
    for name in ("certificates", "certificates.services"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["certificates.services"].__dict__["renewal"] = renewal
    task = documented_provider.module("certificates/tasks.py", tmp_path).renew

    assert task.name == "certificates.renew"
    current_app.tasks[task.name](7)
    assert renewed == [7]
    current_app.tasks.pop(task.name)


def test_every_driver_and_its_options_are_listed() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|",
        documented_provider.PAGE.read_text(),
        re.M,
    )
    timeouts = {"timeout_s", "connect_timeout_s"}
    assert {
        driver: (fence.strip() == "yes", set(re.findall(r"`(\w+)`", options)))
        for driver, fence, options in rows
    } == {
        driver: (
            provider_class(driver).can_fence,
            set(provider_class(driver).options) - timeouts,
        )
        for driver in settings.DNSORCH_PROVIDERS
    }


def test_the_files_that_are_named_are_there() -> None:
    page = documented_provider.PAGE.read_text()
    prose = re.sub(r"^ *```.*?^ *```$", "", page, flags=re.M | re.S)
    named = re.findall(r"`((?:[a-z0-9_]+/)+[\w.]*\w(?:\.\w+)?)`", prose)
    there = settings.BASE_DIR
    assert len(named) > 10
    assert [each for each in named if not (there / each).exists()] == []
