"""Django's entry for what all of dnsorch's apps share."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class DnsorchConfig(AppConfig):
    """The base: no models, but checks of the whole project."""

    name = "dnsorch"
    label = "dnsorch"

    def __init__(self, *args: Any) -> None:
        """Prepare metrics before any app is imported that has some."""
        super().__init__(*args)
        from dnsorch import metrics

        metrics.prepare()

    def ready(self) -> None:
        """Register the system checks; refuse to start with settings that cannot be."""
        from dnsorch import api_versions, configuration, failpoints  # noqa: F401

        configuration.require()
        # A misspelt failpoint would be one that never fires.
        failpoints.plan()
