"""Versions of the API: found on disk, mounted, documented."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from drf_spectacular.validation import validate_schema

from dnsorch import api_versions
from dnsorch.api_versions import VersionPackage
from dnsorch.tests.packages import PACKAGES

pytestmark = pytest.mark.embedded

BASE_DIR = Path(settings.BASE_DIR)


@pytest.fixture()
def fake_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, VersionPackage]]:
    """Two apps: ``one`` with v1, v2 and v10, ``two`` with v2 only."""
    found = {}
    for name in ("one/v1", "one/v2", "one/v10", "two/v2"):
        app, version = name.split("/")
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "urls.py").touch()
        number = int(version[1:])
        found[name] = VersionPackage(f"{app}.api.{version}", folder, number)
    packages = tuple(found.values())
    monkeypatch.setattr(api_versions, "packages", lambda: packages)
    yield found


def test_what_is_on_disk_is_what_is_found() -> None:
    on_disk = {
        path.relative_to(BASE_DIR).as_posix().replace("/", ".")
        for app in PACKAGES
        for path in BASE_DIR.glob(f"{app}/**/api/v[0-9]*")
        if path.is_dir()
    }
    assert {package.module for package in api_versions.packages()} == on_disk
    assert {"requests_tracker.api.v1", "dns_records.api.v2"} <= on_disk


def test_versions_are_ordered_by_number(
    fake_packages: dict[str, VersionPackage],
) -> None:
    assert api_versions.names() == ("v1", "v2", "v10")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, ["one/v1"]), (2, ["one/v2", "two/v2"]), (10, ["one/v10", "two/v2"])],
)
def test_an_app_serves_its_newest_version_that_is_not_newer(
    fake_packages: dict[str, VersionPackage], number: int, expected: list[str]
) -> None:
    serving = api_versions.serving(number)
    assert serving == [fake_packages[name] for name in expected]


@pytest.mark.parametrize("name", ["__init__.py", "urls.py"])
def test_a_folder_that_cannot_be_served_is_an_error(
    fake_packages: dict[str, VersionPackage], name: str
) -> None:
    api_versions.require_servable()
    assert api_versions.check_packages(None) == []
    package = fake_packages["one/v10"]
    (package.path / name).unlink()
    (error,) = api_versions.check_packages(None)
    assert (error.id, error.msg) == (
        "dnsorch.E001",
        f"{package.path} has no {name}, so one.api.v10 cannot be served",
    )
    with pytest.raises(ImproperlyConfigured, match=name):
        api_versions.require_servable()


@pytest.mark.parametrize(
    ("source", "count"),
    [("urlpatterns = [1, 2]", 2), ("class router:\n    urls = [1]", 1)],
)
def test_urls_define_urlpatterns_or_a_router(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, count: int
) -> None:
    package = tmp_path / f"app{count}" / "v1"
    package.mkdir(parents=True)
    (package / "urls.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"app{count}.v1"
    assert len(VersionPackage(module, package, 1).routes()) == count


def test_urls_with_neither_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "app0" / "v1"
    package.mkdir(parents=True)
    (package / "urls.py").write_text("routes = []")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match="neither urlpatterns nor router"):
        VersionPackage("app0.v1", package, 1).routes()


def test_the_root_lists_the_versions_to_anybody() -> None:
    answer = Client().get("/api/")
    assert answer.status_code == 200
    assert answer.json() == {
        "versions": [
            {
                "version": name,
                "schema": f"http://testserver/api/{name}/schema/",
                "docs": f"http://testserver/api/{name}/docs/",
            }
            for name in api_versions.names()
        ]
    }


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_schema_is_valid_openapi_of_that_version_only(version: str) -> None:
    answer = Client().get(f"/api/{version}/schema/")
    assert answer.status_code == 200
    schema = json.loads(answer.content)
    assert schema["openapi"].startswith("3.1.")
    validate_schema(schema)  # type: ignore[no-untyped-call]
    assert all(path.startswith(f"/api/{version}/") for path in schema["paths"])
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert "default" not in operation["responses"]
            problem = operation["responses"]["401"]["content"]
            assert list(problem) == ["application/problem+json"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_docs_use_local_assets_and_that_version_s_schema(version: str) -> None:
    page = Client().get(f"/api/{version}/docs/").content.decode()
    assert f"/api/{version}/schema/" in page
    assert "/static/drf_spectacular_sidecar/" in page
    assert "https://" not in page


@pytest.mark.parametrize("path", ["/api/v0/", "/api/v99/schema/", "/api/v1/nope/"])
def test_what_is_not_there_is_a_problem(path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# --- a copy of the tree, in a process of its own -------------------------------------

V3_URLS = """
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView
from drf_spectacular.utils import extend_schema

from requests_tracker.api.v2.urls import router as older


class New(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(responses={200: dict})
    def get(self, request):
        url = reverse("new", request=request)
        return Response({"version": request.version, "self": url})


urlpatterns = [*older.urls, path("new/", New.as_view(), name="new")]
"""
ASK = """
import json, sys
import django
django.setup()
from django.test import Client
answers = {}
for path in sys.argv[1:]:
    answer = Client(headers={"Host": "127.0.0.1"}).get(path)
    answers[path] = [answer.status_code, json.loads(answer.content)]
print(json.dumps(answers))
"""


@pytest.fixture()
def tree(tmp_path: Path) -> Path:
    """Return a copy of the project's packages."""
    ignore = shutil.ignore_patterns("__pycache__", "tests")
    for name in (*PACKAGES, "envs"):
        shutil.copytree(BASE_DIR / name, tmp_path / name, ignore=ignore)
    shutil.copy(BASE_DIR / "manage.py", tmp_path)
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy of the tree."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "dnsorch.settings",
        "PYTHONPATH": str(tree),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def paths(schema: dict[str, Any]) -> set[str]:
    """Return the paths of a schema, below the version's prefix."""
    return {path.split("/", 3)[3] for path in schema["paths"]}


def test_a_new_folder_is_a_new_version(tree: Path) -> None:
    folder = tree / "requests_tracker" / "api" / "v3"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "urls.py").write_text(V3_URLS)
    asked = [
        "/api/",
        "/api/v3/new/",
        "/api/v2/new/",
        "/api/v2/schema/",
        "/api/v3/schema/",
    ]
    done = run(tree, "-c", ASK, *asked)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    listed = [version["version"] for version in answers["/api/"][1]["versions"]]
    assert listed == [*api_versions.names(), "v3"]
    url = "http://127.0.0.1/api/v3/new/"
    assert answers["/api/v3/new/"] == [200, {"version": "v3", "self": url}]
    assert answers["/api/v2/new/"][0] == 404
    v2, v3 = answers["/api/v2/schema/"][1], answers["/api/v3/schema/"][1]
    assert paths(v3) == paths(v2) | {"new/"}
    assert all(path.startswith("/api/v3/") for path in v3["paths"])


def test_a_folder_without_init_stops_check_and_server(tree: Path) -> None:
    folder = tree / "dns_records" / "api" / "v3"
    folder.mkdir()
    (folder / "urls.py").write_text("urlpatterns = []")
    checked = run(tree, "manage.py", "check")
    assert checked.returncode == 1
    assert "(dnsorch.E001)" in checked.stderr
    assert f"{folder} has no __init__.py" in checked.stderr
    served = run(tree, "-c", "import dnsorch.wsgi")
    assert served.returncode == 1
    assert f"{folder} has no __init__.py" in served.stderr
