"""Django's entry for kafka_bridge."""

from django.apps import AppConfig


class KafkaBridgeConfig(AppConfig):
    """The app and its name in the admin."""

    name = "kafka_bridge"
    verbose_name = "Kafka bridge"
