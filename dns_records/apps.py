"""Django's entry for dns_records."""

from django.apps import AppConfig


class DnsRecordsConfig(AppConfig):
    """The app and its name in the admin."""

    name = "dns_records"
    verbose_name = "DNS records"
