"""Django's entry for requests_tracker."""

from django.apps import AppConfig


class RequestsTrackerConfig(AppConfig):
    """The app and its name in the admin."""

    name = "requests_tracker"
    verbose_name = "Request tracker"

    def ready(self) -> None:
        """Show Prometheus what waits."""
        from dnsorch import state_metrics
        from requests_tracker import metrics

        state_metrics.register(metrics.read)
