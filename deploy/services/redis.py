"""Redis: Celery's broker. It keeps nothing on disk: it carries hints only."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from deploy.services.base import Service
from deploy.services.ports import HOST


class Redis(Service):
    """One server without persistence."""

    name = "redis"
    packages = ("redis-server",)
    programs = ("redis-server",)
    ports_used = ("redis",)

    def configuration(self) -> Mapping[str, str]:
        """Return ``redis.conf``."""
        return {"redis.conf": self.render("redis.conf", port=self.port)}

    def command(self) -> Sequence[str]:
        """Return the server's command."""
        return ["redis-server", str(self.directory / "redis.conf")]

    def environment(self) -> Mapping[str, str]:
        """Return ``CELERY_BROKER_URL``."""
        return {"CELERY_BROKER_URL": f"redis://{HOST}:{self.port}/0"}

    def version(self) -> str:
        """Return what the server says."""
        line = subprocess.check_output(["redis-server", "--version"], text=True)
        return " ".join(line.split()[:3])
