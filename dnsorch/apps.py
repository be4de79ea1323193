"""Django's entry for what all of dnsorch's apps share."""

from django.apps import AppConfig


class DnsorchConfig(AppConfig):
    """The base: no models, but checks of the whole project."""

    name = "dnsorch"
    label = "dnsorch"

    def ready(self) -> None:
        """Register the system checks; refuse to start with settings that cannot be."""
        from dnsorch import api_versions, configuration, failpoints  # noqa: F401

        configuration.require()
        # A misspelt failpoint would be one that never fires.
        failpoints.plan()
