"""Django's entry for what all of dnsorch's apps share."""

from django.apps import AppConfig


class DnsorchConfig(AppConfig):
    """The base: no models, but checks of the whole project."""

    name = "dnsorch"
    label = "dnsorch"

    def ready(self) -> None:
        """Prepare what has to be there first, and register the system checks."""
        from dnsorch import metrics

        metrics.prepare()
        from dnsorch import api_versions  # noqa: F401
