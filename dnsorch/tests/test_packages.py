"""Each package of the project is tested, formatted, measured and shipped."""

from __future__ import annotations

import pytest

from dnsorch.tests.packages import BASE, BRIDGE, DOMAINS, PACKAGES, ROOT


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pytest.ini", " {}"),
        ("setup.cfg", " {}"),
        ("pyproject.toml", '"{}"'),
        (".dockerignore", "!{}\n"),
    ],
)
def test_what_has_to_name_every_package_does(name: str, says: str) -> None:
    text = (ROOT / name).read_text()
    assert [each for each in PACKAGES if says.format(each) not in text] == []


def test_the_packages_are_those_of_the_installed_apps() -> None:
    assert {*BASE, BRIDGE, "dns_records"} <= set(PACKAGES)
    assert "dns_records" in DOMAINS
    assert not {*BASE, BRIDGE} & set(DOMAINS)
