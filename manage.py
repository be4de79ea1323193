#!/usr/bin/env python
"""Run Django's command-line administration for dnsorch."""

import os
import sys


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")
    from django.core.management import execute_from_command_line

    from dnsorch import startup

    with startup.one_sentence():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
