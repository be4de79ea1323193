"""Django's entry for API tokens."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """API tokens: who may call, in whose name, for which zones."""

    name = "dnsorch.tokens"
    label = "tokens"
    verbose_name = "API tokens"
