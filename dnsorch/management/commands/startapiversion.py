"""``manage.py startapiversion v3``: the folders of a new version of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnsorch import api_versions
from dnsorch.api_versions import VersionPackage

URLS = '''"""The URLs of {app} in {new}: what differs from {old} and what does not."""

from rest_framework.routers import SimpleRouter

from {module}.urls import {attribute} as {old}

router = SimpleRouter()

# The first that matches answers.
urlpatterns = [*router.urls, *{old}{urls}]
'''


@dataclass(frozen=True)
class _Folder:
    """A version folder that is to be made, in one app."""

    older: VersionPackage
    name: str

    @property
    def path(self) -> Path:
        return self.older.path.with_name(self.name)

    @property
    def files(self) -> dict[str, str]:
        """Return the content of each file."""
        package, _, old = self.older.module.rpartition(".")
        urls = import_module(f"{self.older.module}.urls")
        plain = hasattr(urls, "urlpatterns")
        text = URLS.format(
            app=package.removesuffix(".api"),
            new=self.name,
            old=old,
            module=self.older.module,
            attribute="urlpatterns" if plain else "router",
            urls="" if plain else ".urls",
        )
        doc = f'"""{self.name} of the API: only what differs from {old}."""\n'
        return {"__init__.py": doc, "urls.py": text}


class Command(BaseCommand):
    """Make a version that answers as the newest one does, to be changed from there."""

    help = (
        "Make the next version of the API: a folder api/vN in each app with an API. "
        "It serves what the newest version serves; put there only what differs. "
        "Restart the API, and /api/vN/ is served and documented."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("version", help="the version's name, such as v3")
        parser.add_argument(
            "--app",
            action="append",
            metavar="LABEL",
            help="only this app; may be repeated (default: every app with an API)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only list what would be written"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at everything first, so that nothing is left half made."""
        version: str = options["version"]
        folders = [
            _Folder(older, version)
            for older in _newest(_number(version), options["app"])
        ]
        for folder in folders:
            if folder.path.exists():
                raise CommandError(f"{folder.path} exists already")
        for folder in folders:
            if not options["dry_run"]:
                folder.path.mkdir()
            for name, text in folder.files.items():
                if not options["dry_run"]:
                    (folder.path / name).write_text(text, encoding="utf-8")
                self.stdout.write(str(folder.path / name))


def _number(version: str) -> int:
    """Return the number of a version that there may be.

    An app that has had no part in the newest version may still join it.

    Raises:
        CommandError: it is no version's name, too old, or skips a number.
    """
    match = re.fullmatch(r"v([1-9][0-9]*)", version)
    if match is None:
        raise CommandError(f"{version}: expected v and a number, such as v3")
    newest = max(api_versions.numbers())
    number = int(match[1])
    if not newest <= number <= newest + 1:
        raise CommandError(
            f"{version}: the newest is v{newest}, the next v{newest + 1}"
        )
    return number


def _newest(number: int, labels: list[str] | None) -> list[VersionPackage]:
    """Return the newest version of each app that is meant.

    Raises:
        CommandError: there is no such app, or it has no API.
    """
    serving = {
        package.module.rpartition(".api.")[0]: package
        for package in api_versions.serving(number)
    }
    if labels is None:
        return list(serving.values())
    known = {config.label: config.name for config in apps.get_app_configs()}
    found = [serving.get(known.get(label, "")) for label in labels]
    for label, package in zip(labels, found, strict=True):
        if package is None:
            raise CommandError(f"{label}: no app with an API has that label")
    return [package for package in found if package is not None]
