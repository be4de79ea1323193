"""Which packages the project is made of: those of its installed apps."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

ROOT: Path = settings.BASE_DIR
PACKAGES: tuple[str, ...] = tuple(
    dict.fromkeys(
        package
        for package in (name.partition(".")[0] for name in settings.INSTALLED_APPS)
        if (ROOT / package).is_dir()
    )
)
# Below the domains, and above them.
BASE = ("dnsorch", "requests_tracker")
BRIDGE = "kafka_bridge"
DOMAINS = tuple(name for name in PACKAGES if name not in (*BASE, BRIDGE))
