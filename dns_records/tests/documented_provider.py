"""The provider that docs/extending.md shows, under the provider contract."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import dns.rdataset
import dns.zone
from django.conf import settings

from dns_records.tests.provider_services import ZONE, Service

PAGE: Path = settings.BASE_DIR / "docs" / "extending.md"
ZONE_FILE = """\
@ 3600 IN SOA ns1 hostmaster 1 7200 900 1209600 3600
@ 3600 IN NS ns1
ns1 3600 IN A 127.0.0.1
"""


def module(path: str, folder: Path) -> ModuleType:
    """Return the module that the page shows with ``path`` as its first line."""
    found = re.search(
        rf"^```python\n# {re.escape(path)}\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    )
    assert found, f"{PAGE.name} shows no {path}"
    source = folder / Path(path).name
    source.write_text(found[1])
    spec = importlib.util.spec_from_file_location(f"documented_{source.stem}", source)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


class Documented(Service):
    """Zone files, as the page writes them."""

    refuses_conflicts = True
    cannot = {
        "expect": "it has the marker, which is better",
        "expire": "nothing is ever on its way",
        "list": "the page keeps it short",
        "ignore": "nobody is there who would ignore anything",
        "lose": "there is no answer that could be lost",
        "policy": "root may write every file",
    }

    def __init__(self, folder: Path) -> None:
        provider = module("dns_records/providers/zonefile.py", folder).ZoneFileProvider
        self.path = folder / ZONE
        self.path.write_text(ZONE_FILE)
        self.provider = provider({"directory": str(folder)}, None)
        self.unreachable = provider({"directory": str(folder / "away")}, None)
        self.first_serial = self.serial()

    def zone(self) -> dns.zone.Zone:
        """Return the zone as it lies on the disk."""
        return dns.zone.from_file(str(self.path), ZONE, relativize=False)

    def serial(self) -> int:
        """Return the serial, which each message moves by one."""
        soa = self.zone().get_soa()
        return int(soa.serial)

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        held = self.zone().get_rdataset(name, rtype)
        return (held.ttl, tuple(sorted(r.to_text() for r in held))) if held else None

    def updates(self) -> int:
        return self.serial() - self.first_serial

    def refuse(self, *names: str) -> None:
        zone = self.zone()
        for name in names:
            alias = dns.rdataset.from_text("IN", "CNAME", 300, "taken.example.net.")
            zone.replace_rdataset(name, alias)
        zone.to_file(str(self.path), relativize=False)

    def ignore(self, name: str) -> None:
        pass

    def lose_answers(self) -> None:
        pass

    def heal(self) -> None:
        pass


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Give the documented provider a folder."""
    yield Documented(folder)
