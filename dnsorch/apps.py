"""Django's entry for what all of dnsorch's apps share."""

from django.apps import AppConfig


class DnsorchConfig(AppConfig):
    """The base: no models, but checks of the whole project."""

    name = "dnsorch"
    label = "dnsorch"

    def ready(self) -> None:
        """Register the system checks; read what else may stop the start."""
        from dnsorch import api_versions, failpoints  # noqa: F401

        # A misspelt failpoint would be one that never fires.
        failpoints.plan()
