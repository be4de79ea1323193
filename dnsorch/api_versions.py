"""The versions of the API: found on disk, served side by side.

An app of the project has a package ``api/vN`` for each version in which it differs; its
``urls.py`` defines ``urlpatterns``, or a REST framework ``router``. Each version that
any app has is mounted at ``/api/vN/``, in the namespace ``vN``. An app without a
package for it is served there in its newest older version. So a new version is a new
folder, and nothing else.

The version's namespace is the outermost: REST framework takes the first one that it
allows for the version, so an app's own namespace (``app_name``) must not come before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver

Routes = list[URLPattern | URLResolver]

_FOLDER = re.compile(r"v([1-9][0-9]*)")


@dataclass(frozen=True)
class VersionPackage:
    """The package of one app for one version, as it lies on the disk."""

    module: str
    path: Path
    number: int

    def fault(self) -> str | None:
        """Say what keeps it from being served; None if nothing does."""
        for name in ("__init__.py", "urls.py"):
            if not (self.path / name).is_file():
                return f"{self.path} has no {name}, so {self.module} cannot be served"
        return None

    def routes(self) -> Routes:
        """Import its ``urls.py`` and return the URLs there.

        Raises:
            ImproperlyConfigured: it has neither ``urlpatterns`` nor ``router``.
        """
        urls = import_module(f"{self.module}.urls")
        if hasattr(urls, "urlpatterns"):
            return list(urls.urlpatterns)
        if hasattr(urls, "router"):
            return list(urls.router.urls)
        raise ImproperlyConfigured(
            f"{self.module}.urls defines neither urlpatterns nor router"
        )


@cache
def packages() -> tuple[VersionPackage, ...]:
    """Return every version package of the project's apps, in the order of the apps.

    The disk is read once in a process: versions come and go with a deployment.
    """
    return tuple(
        found for config in apps.get_app_configs() for found in _packages_of(config)
    )


def numbers() -> list[int]:
    """Return the numbers of all versions, oldest first."""
    return sorted({package.number for package in packages()})


def names() -> tuple[str, ...]:
    """Return the names of all versions, oldest first."""
    return tuple(f"v{number}" for number in numbers())


def serving(number: int) -> list[VersionPackage]:
    """Return the package of each app that serves version ``number``.

    Those with a fault are left out: the system check reports them.
    """
    newest: dict[str, VersionPackage] = {}
    for package in packages():
        if package.fault():
            continue
        app = package.module.rpartition(".")[0]
        best = newest.get(app)
        if package.number <= number and (not best or best.number < package.number):
            newest[app] = package
    return list(newest.values())


def require_servable() -> None:
    """Stop the start of a server, which runs no system checks.

    Raises:
        ImproperlyConfigured: a version package cannot be served.
    """
    for package in packages():
        if fault := package.fault():
            raise ImproperlyConfigured(fault)


@checks.register("urls")
def check_packages(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Report each version folder that cannot be served, rather than skip it."""
    faults = (package.fault() for package in packages())
    return [checks.Error(fault, id="dnsorch.E001") for fault in faults if fault]


def _packages_of(config: AppConfig) -> list[VersionPackage]:
    """Return an app's version packages; none for an app that is not the project's."""
    folder = Path(config.path)
    top = Path(settings.BASE_DIR) / config.name.partition(".")[0]
    if not folder.is_relative_to(top) or not (folder / "api").is_dir():
        return []
    found = [
        VersionPackage(f"{config.name}.api.{entry.name}", entry, int(match[1]))
        for entry in (folder / "api").iterdir()
        if entry.is_dir() and (match := _FOLDER.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda package: package.number)
