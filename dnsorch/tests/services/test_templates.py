"""A new domain and a new sister service, made as docs/extending.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dnsorch.tests.e2e.harness import free_ports, until
from dnsorch.tests.packages import PACKAGES, ROOT

# mypy without a cache, beside other tests.
PATIENCE_S = 300.0
PAGE = ROOT / "docs" / "extending.md"
TEMPLATES = Path("deploy") / "templates"
# What names every package, beside the settings.
LISTS = ("pytest.ini", "setup.cfg", "pyproject.toml", ".dockerignore")
EDITS = {
    "dnsorch/settings.py": (
        '    "dns_records",\n',
        '    "dns_records",\n    "certificates",\n',
    ),
    "pytest.ini": (" dns_records ", " dns_records certificates "),
    "setup.cfg": (" dns_records,", " dns_records, certificates,"),
    "pyproject.toml": ('"dns_records",', '"dns_records", "certificates",'),
    ".dockerignore": ("!dns_records\n", "!certificates\n!dns_records\n"),
}
# As the page's first line has it.
PATH = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"
OPENAPI = "python manage.py spectacular --validate --fail-on-warn --file /dev/null"
SISTER = {"SERVICE_ENV": "dev"}
CALL = """
import json
import django
django.setup()
from django.core.management import call_command
from rest_framework.test import APIClient
from dnsorch.tokens import services
api = APIClient(headers={"Host": "127.0.0.1"})
api.credentials(HTTP_AUTHORIZATION="Bearer " + services.issue(owner="me").text)
taken = api.post("/api/v1/certificates/", {"name": "first"})
item = "/api/v1/certificates/" + taken.json()["id"] + "/"
seen = [api.get(item).json()["status"]]
from certificates.tasks import provision
provision(taken.json()["id"])
seen.append(api.get(item).json()["status"])
tracked = api.get(taken["Location"]).json()
print(json.dumps([taken.status_code, seen, [e["step"] for e in tracked["events"]]]))
"""


def blocks(heading: str) -> list[str]:
    """Return the commands that a section of the page shows, block by block."""
    section = re.search(rf"^## {heading}\n(.*?)^## ", PAGE.read_text(), re.M | re.S)
    assert section, f"{PAGE.name} has no section {heading}"
    found = re.findall(r"^```sh\n(.*?)^```$", section[1], re.M | re.S)
    assert found
    return found


def run(folder: Path, commands: str, **variables: str) -> str:
    """Run commands as a person would, to the first that fails; return what they say."""
    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=folder,
        env={"PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, in which the page's recipe of a domain was followed."""
    tree = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, "envs", str(TEMPLATES)):
        shutil.copytree(ROOT / name, tree / name, ignore=ignore)
    for name in (*LISTS, "manage.py"):
        shutil.copy(ROOT / name, tree)
    (tree / ".venv").symlink_to(sys.prefix)
    make, check = blocks("A domain")
    run(tree, make)
    for name, (old, new) in EDITS.items():
        text = (tree / name).read_text()
        assert text.count(old) == 1
        (tree / name).write_text(text.replace(old, new))
    told = run(tree, check)
    assert "Create model Item" in told
    return tree


def test_a_domain_passes_every_gate(domain: Path) -> None:
    run(domain, "black --check certificates; flake8 certificates")
    run(domain, "isort --check certificates dnsorch/settings.py")
    run(domain, "python manage.py makemigrations --check")
    for version in ("v1", "v2"):
        run(domain, f"{OPENAPI} --api-version {version}")
    run(domain, "mypy certificates")


def test_the_api_of_a_domain_takes_what_the_tracker_follows(domain: Path) -> None:
    said = run(domain, f"python -c '{CALL}'", DJANGO_SETTINGS_MODULE="dnsorch.settings")
    steps = ["received", "stored", "sent", "applied", "completed"]
    assert json.loads(said.splitlines()[-1]) == [202, ["queued", "completed"], steps]


# --- a sister service ----------------------------------------------------------------


@contextmanager
def serving(folder: Path) -> Iterator[httpx.Client]:
    """Start the API of a sister; yield a client that bears its token."""
    [port] = free_ports(1)
    words = ("granian", "--interface", "wsgi", "--port", str(port))
    with subprocess.Popen(
        [Path(sys.prefix) / "bin" / words[0], *words[1:], "inventory.wsgi:application"],
        cwd=folder,
        env={"PATH": PATH, **SISTER},
    ) as process:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": "Bearer dev-token"},
                timeout=30,
            ) as client:
                until(lambda: answers(client) or None, "the API answers")
                yield client
        finally:
            process.terminate()


def answers(client: httpx.Client) -> bool:
    """Say whether the API is alive."""
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_a_sister_service_runs(tmp_path: Path) -> None:
    (commands,) = blocks("A service")
    run(tmp_path, commands, DNSORCH=str(ROOT))
    folder = tmp_path / "inventory"
    run(folder, "black --check . && isort --check . && flake8", **SISTER)
    run(folder, "python manage.py makemigrations --check", **SISTER)
    run(folder, "python manage.py migrate", **SISTER)
    with serving(folder) as client:
        taken = client.post("/api/v1/items/", json={"name": "first"})
        assert (taken.status_code, taken.json()["done_at"]) == (202, None)
        refused = client.post("/api/v1/items/", json={})
        assert refused.headers["content-type"] == "application/problem+json"
        item = f"/api/v1/items/{taken.json()['id']}/"
        task = f'from items.tasks import process; process("{taken.json()["id"]}")'
        run(folder, f"python manage.py shell -v 0 -c '{task}'", **SISTER)
        assert client.get(item).json()["done_at"] is not None
    assert run(folder, "python manage.py sweep", **SISTER) == ("0 item(s) processed\n")


def test_a_sister_service_starts_in_production_with_no_secret_missing(
    tmp_path: Path,
) -> None:
    (commands,) = blocks("A service")
    run(tmp_path, commands.partition("cd inventory")[0], DNSORCH=str(ROOT))
    variables = {
        "SERVICE_ENV": "prod",
        "SECRET_KEY": "not-a-secret-but-long-enough-and-with-many-0123456789-letters",
        "API_TOKEN": "none",
        "ALLOWED_HOSTS": "inventory.example.test",
        "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/none",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    }
    folder = tmp_path / "inventory"
    check = "python manage.py check --deploy --fail-level WARNING"
    run(folder, check, **variables)
    for name in ("SECRET_KEY", "API_TOKEN", "DATABASE_URL", "CELERY_BROKER_URL"):
        without = {key: text for key, text in variables.items() if key != name}
        said = run(folder, "! python manage.py check", **without)
        assert said == f"inventory: set {name} or {name}_FILE: it has no default\n"
