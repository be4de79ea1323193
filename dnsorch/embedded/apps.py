"""Django's entry for the embedded default."""

from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    """Commands that run the services of the embedded default; no models."""

    name = "dnsorch.embedded"
    label = "embedded"
    verbose_name = "Embedded default"
