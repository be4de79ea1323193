"""Django's entry for dns_records."""

from django.apps import AppConfig


class DnsRecordsConfig(AppConfig):
    """The app and its name in the admin."""

    name = "dns_records"
    verbose_name = "DNS records"

    def ready(self) -> None:
        """Show Prometheus what waits."""
        from dns_records import metrics
        from dnsorch import state_metrics

        state_metrics.register(metrics.read)
