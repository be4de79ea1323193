"""Django's entry for operator tasks."""

from django.apps import AppConfig


class OperatorTasksConfig(AppConfig):
    """Tasks that a person starts in the admin and looks at afterwards."""

    name = "dnsorch.operator_tasks"
    label = "operator_tasks"
    verbose_name = "Operator tasks"
