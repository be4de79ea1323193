"""``.env.example`` and the settings name the same variables."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

from django.conf import settings

SETTINGS = settings.BASE_DIR / "dnsorch" / "settings.py"
EXAMPLE = settings.BASE_DIR / ".env.example"
READ_PROFILE = """
from dnsorch import settings
print(settings.DNSORCH_VERIFY_DEADLINE_S, settings.DNSORCH_REQUEST_DEADLINE_S)
"""
PROFILES = sorted((settings.BASE_DIR / "envs").glob(".env.*"))


def variables_read(source: str) -> set[str]:
    """Return the variables that calls of ``env.TYPE`` and ``env_secret`` name."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            continue
        function = ast.unparse(node.func)
        if function.startswith("env.") and function != "env.read_env":
            names.add(first.value)
        if function == "env_secret":
            names |= {first.value, f"{first.value}_FILE"}
    return names


def variables_of(text: str) -> list[str]:
    """Return the variables that lines of ``NAME=value`` or ``#NAME=value`` set."""
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)


def test_each_variable_of_the_settings_is_documented_once() -> None:
    documented = variables_of(EXAMPLE.read_text())
    assert sorted(documented) == sorted(variables_read(SETTINGS.read_text()))


def test_each_variable_stands_under_a_comment() -> None:
    lines = EXAMPLE.read_text().splitlines()
    lonely = [
        line
        for before, line in zip(lines, lines[1:])
        if variables_of(line) and not before.startswith("#")
    ]
    assert lonely == []


def test_profiles_set_documented_variables_only() -> None:
    documented = set(variables_of(EXAMPLE.read_text()))
    assert [profile.name for profile in PROFILES] == [
        ".env.dev",
        ".env.prod",
        ".env.uta",
    ]
    for profile in PROFILES:
        assert set(variables_of(profile.read_text())) <= documented


def test_profiles_hold_no_secrets() -> None:
    for profile in PROFILES:
        for name in variables_of(profile.read_text()):
            assert not re.search(r"SECRET|PASSWORD|TOKEN|KEY", name)


def test_variables_read_finds_every_way_to_read_one() -> None:
    source = 'A = env.str("ONE")\nB = env_secret("TWO", embedded="")\nC = f("THREE")'
    assert variables_read(source) == {"ONE", "TWO", "TWO_FILE"}


def test_a_new_profile_is_a_file_and_a_name(tmp_path: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "tests")
    for name in ("dnsorch", "envs"):
        shutil.copytree(settings.BASE_DIR / name, tmp_path / name, ignore=ignore)
    copied = tmp_path / "dnsorch" / "settings.py"
    names, text = 'PROFILES = ("dev", "uta", "prod"', copied.read_text()
    assert text.count(names) == 1
    copied.write_text(text.replace(names, f'{names}, "lab"'))
    profile = (tmp_path / "envs" / ".env.uta").read_text()
    changed = profile.replace("VERIFY_DEADLINE_S=60", "VERIFY_DEADLINE_S=5")
    (tmp_path / "envs" / ".env.lab").write_text(changed)
    done = subprocess.run(
        [sys.executable, "-c", READ_PROFILE],
        cwd=tmp_path,
        env={
            "DNSORCH_ENV": "lab",
            "DNSORCH_SECRET_KEY": "none",
            "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/none",
            "DNSORCH_REQUEST_DEADLINE_S": "7",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # From the new file; from the environment, which wins over the file.
    assert (done.stderr, done.stdout) == ("", "5 7.0\n")
